//! Logits of small checkpoints against those of the Python transformers library, alone, in ragged batches and in chunks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use pad_model::{BLOCK, Dtype, KvCache, LaneChunk, Model, ModelOptions, Pool, Wanted};

const TOLERANCE: f32 = 1e-3;

fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

#[derive(serde::Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    /// `[prompt][position][vocabulary]`
    logits: Vec<Vec<Vec<f32>>>,
}

fn load(name: &str, dtype: Dtype) -> (Model, Golden) {
    let options = ModelOptions { dtype, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    let golden = std::fs::read_to_string(family(name).join("golden.json")).unwrap();
    (Model::open(&family(name), &options).unwrap(), serde_json::from_str(&golden).unwrap())
}

/// All logits after the last token of each chunk.
fn logits(model: &Model, chunks: &[LaneChunk<'_>], cache: &KvCache) -> Vec<Vec<f32>> {
    let hidden = model.forward(chunks, cache).unwrap();
    let all = Wanted::At((0..model.config().vocabulary as u32).collect());
    let wanted = vec![(all, false); chunks.iter().map(|chunk| chunk.read).sum()];
    let read = model.logits(&hidden, None, &wanted).unwrap();
    read.into_iter().map(|row| row.ranked.iter().map(|r| r.logit).collect()).collect()
}

fn close(got: &[f32], want: &[f32], what: &str) {
    let worst = got.iter().zip(want).fold(0.0_f32, |m, (g, w)| m.max((g - w).abs()));
    assert!(got.len() == want.len() && worst < TOLERANCE, "{what}: {worst}");
}

#[test]
fn every_position_as_in_python() {
    for name in ["llama", "llama-tied", "llama3-rope", "qwen2"] {
        let (model, golden) = load(name, Dtype::F32);
        for (p, (prompt, want)) in golden.prompts.iter().zip(&golden.logits).enumerate() {
            let cache = KvCache::new(&model, 1).unwrap();
            for (at, want) in want.iter().enumerate() {
                let chunk = LaneChunk::new(&prompt[at..=at], at, &[0], 1);
                close(&logits(&model, &[chunk], &cache)[0], want, &format!("{name}, prompt {p}, position {at}"));
            }
        }
    }
}

#[test]
fn ragged_batches_and_chunks_give_the_same_bits() {
    for dtype in [Dtype::F32, Dtype::Auto] {
        for name in ["llama", "llama-tied", "llama3-rope", "qwen2"] {
            let (model, golden) = load(name, dtype);
            let cache = || KvCache::new(&model, 6).unwrap();
            let blocks = [[4, 0], [3, 5], [1, 2]];
            let last = |prompt: &[u32], blocks: &[u32], cache: &KvCache| {
                logits(&model, &[LaneChunk::new(prompt, 0, blocks, 1)], cache).remove(0)
            };
            let alone: Vec<Vec<f32>> =
                golden.prompts.iter().zip(&blocks).map(|(prompt, blocks)| last(prompt, blocks, &cache())).collect();
            if dtype == Dtype::F32 {
                for (got, want) in alone.iter().zip(&golden.logits) {
                    close(got, want.last().unwrap(), name);
                }
            }

            let together: Vec<LaneChunk> = golden
                .prompts
                .iter()
                .zip(&blocks)
                .map(|(tokens, blocks)| LaneChunk::new(tokens, 0, blocks, 1))
                .collect();
            assert_eq!(logits(&model, &together, &cache()), alone, "{name} {dtype:?}: ragged");

            // The long prompt in chunks, the others beside its last one.
            let shared = cache();
            let prompt = &golden.prompts[0];
            for (start, end) in [(0, 7), (7, 9)] {
                let chunk = LaneChunk::new(&prompt[start..end], start, &blocks[0], 0);
                assert!(logits(&model, &[chunk], &shared).is_empty());
            }
            let mut mixed = together.clone();
            mixed[0] = LaneChunk::new(&prompt[9..], 9, &blocks[0], 1);
            mixed.rotate_left(1);
            let mut got = logits(&model, &mixed, &shared);
            got.rotate_right(1);
            assert_eq!(got, alone, "{name} {dtype:?}: chunked");
        }
    }
}

#[test]
fn equal_lengths_in_one_batch() {
    let (model, golden) = load("llama", Dtype::F32);
    let cache = KvCache::new(&model, 4).unwrap();
    let prompt = &golden.prompts[1];
    let blocks: Vec<[u32; 1]> = (0..4).map(|block| [block]).collect();
    let chunks: Vec<LaneChunk> = blocks.iter().map(|blocks| LaneChunk::new(prompt, 0, blocks, 1)).collect();
    for got in logits(&model, &chunks, &cache) {
        close(&got, golden.logits[1].last().unwrap(), "equal lengths");
    }
}

#[test]
fn the_oracle_agrees_beyond_a_block() {
    use candle_nn::VarBuilder;
    use candle_transformers::models::llama::{Cache, Config, Llama, LlamaEosToks};
    let (model, golden) = load("llama", Dtype::F32);
    let shape = model.config();
    let config = Config {
        hidden_size: shape.hidden,
        intermediate_size: shape.intermediate,
        vocab_size: shape.vocabulary,
        num_hidden_layers: shape.layers,
        num_attention_heads: shape.heads,
        num_key_value_heads: shape.kv_heads,
        use_flash_attn: false,
        rms_norm_eps: shape.norm_eps,
        rope_theta: shape.rope_theta,
        bos_token_id: None,
        eos_token_id: Some(LlamaEosToks::Single(2)),
        rope_scaling: None,
        max_position_embeddings: shape.context,
        tie_word_embeddings: false,
    };
    let tensors = candle_core::safetensors::load(family("llama").join("model.safetensors"), &Device::Cpu).unwrap();
    let vb = VarBuilder::from_tensors(tensors, candle_core::DType::F32, &Device::Cpu);
    let oracle = Llama::load(vb, &config).unwrap();
    let tokens: Vec<u32> = golden.prompts.concat().repeat(4);
    assert!(tokens.len() > 4 * BLOCK);
    let mut state = Cache::new(true, candle_core::DType::F32, &config, &Device::Cpu).unwrap();
    let input = candle_core::Tensor::new(tokens.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let want: Vec<f32> = oracle.forward(&input, 0, &mut state).unwrap().squeeze(0).unwrap().to_vec1().unwrap();
    let cache = KvCache::new(&model, 8).unwrap();
    let chunk = LaneChunk::new(&tokens, 0, &[7, 2, 5, 0, 1, 3], 1);
    close(&logits(&model, &[chunk], &cache)[0], &want, "oracle");
}

#[test]
fn bad_input_is_refused() {
    let (model, _) = load("llama", Dtype::F32);
    let cache = KvCache::new(&model, 2).unwrap();
    let chunk = |tokens, start, blocks| LaneChunk::new(tokens, start, blocks, 1);
    for chunk in [
        chunk(&[96][..], 0, &[0][..]),
        chunk(&[5], 0, &[2]),
        chunk(&[5], 16, &[0]),
        chunk(&[5], 128, &[0, 1, 0, 1, 0, 1, 0, 1, 0]),
        chunk(&[], 0, &[0]),
    ] {
        assert!(model.forward(&[chunk], &cache).is_err());
    }
    assert!(
        Model::open(
            Path::new("/nowhere/at/all"),
            &ModelOptions { dtype: Dtype::F32, device: Device::Cpu, pool: Arc::new(Pool::new(1)) }
        )
        .is_err()
    );
}
