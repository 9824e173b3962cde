//! Logits of small checkpoints against those of the Python transformers library, or of `tests/reference/families.py`, which agrees with
//! it: alone, in ragged batches, in chunks, with adapters, and from GGUF files of the same weights.

#[expect(dead_code, reason = "a header with texts is another test's")]
mod gguf_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use pad_model::{BLOCK, Dtype, KvCache, KvDtype, LaneChunk, Model, ModelOptions, Pool, Wanted};

const TOLERANCE: f32 = 1e-3;

/// How far a logit may be off where weights and activations are quantised to 8 bits; these are of size 2 and random, so the error
/// does not average out as in a real model.
const AUTO_TOLERANCE: f32 = 0.8;

const FAMILIES: [&str; 17] = [
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3-full",
    "llama",
    "llama-tied",
    "llama3-rope",
    "mistral-window",
    "mixtral",
    "olmo2",
    "phi3",
    "phi3-longrope",
    "qwen2",
    "qwen2-yarn",
    "qwen3",
    "qwen3-moe",
    "smollm3",
];

fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

#[derive(serde::Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    /// `[prompt][position][vocabulary]`
    logits: Vec<Vec<Vec<f32>>>,
}

fn open(path: &Path, dtype: Dtype) -> Model {
    open_with(path, dtype, KvDtype::Auto)
}

fn open_with(path: &Path, dtype: Dtype, kv_dtype: KvDtype) -> Model {
    let options = ModelOptions { dtype, kv_dtype, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    Model::open(path, &options).unwrap()
}

fn golden(name: &str) -> Golden {
    serde_json::from_str(&std::fs::read_to_string(family(name).join("golden.json")).unwrap()).unwrap()
}

fn load(name: &str, dtype: Dtype) -> (Model, Golden) {
    (open(&family(name), dtype), golden(name))
}

/// All logits after the last token of each chunk.
fn logits(model: &Model, chunks: &[LaneChunk<'_>], cache: &KvCache) -> Vec<Vec<f32>> {
    let hidden = model.forward(chunks, cache).unwrap();
    let all = Wanted::At((0..model.config().vocabulary as u32).collect());
    let wanted = vec![all.alone(); chunks.iter().map(|chunk| chunk.read).sum()];
    let read = model.logits(&hidden, &wanted).unwrap();
    read.into_iter().map(|row| row.ranked.iter().map(|r| r.logit).collect()).collect()
}

fn worst(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).fold(0.0_f32, |m, (g, w)| m.max((g - w).abs()))
}

fn close(got: &[f32], want: &[f32], what: &str) {
    let worst = worst(got, want);
    assert!(worst < TOLERANCE, "{what}: {worst}");
}

/// Every position's logits of a prompt, given in chunks of `size` tokens.
fn in_chunks(model: &Model, prompt: &[u32], size: usize) -> Vec<Vec<f32>> {
    let cache = model.kv_cache(4).unwrap();
    let chunks = prompt.chunks(size).enumerate();
    chunks
        .flat_map(|(i, tokens)| logits(model, &[LaneChunk::new(tokens, i * size, &[3, 0, 2], tokens.len())], &cache))
        .collect()
}

#[test]
fn every_position_as_in_python_and_the_same_bits_in_chunks() {
    for name in FAMILIES {
        let (model, golden) = load(name, Dtype::F32);
        for (p, (prompt, want)) in golden.prompts.iter().zip(&golden.logits).enumerate() {
            let whole = in_chunks(&model, prompt, prompt.len());
            for (at, (got, want)) in whole.iter().zip(want).enumerate() {
                close(got, want, &format!("{name}, prompt {p}, position {at}"));
            }
            for size in [7, 1] {
                assert_eq!(in_chunks(&model, prompt, size), whole, "{name}, prompt {p}, chunks of {size}");
            }
        }
    }
}

#[test]
fn quantised_within_its_bound_and_the_same_bits_in_chunks() {
    for name in FAMILIES {
        let (model, golden) = load(name, Dtype::Auto);
        let (mut far, mut all) = (0, 0);
        for (prompt, want) in golden.prompts.iter().zip(&golden.logits) {
            let whole = in_chunks(&model, prompt, prompt.len());
            for (at, (got, want)) in whole.iter().zip(want).enumerate() {
                let worst = worst(got, want);
                let chooses = model.config().experts.is_some();
                assert!(worst < AUTO_TOLERANCE || chooses, "{name}, position {at}: {worst}");
                (far, all) = (far + usize::from(worst >= AUTO_TOLERANCE), all + 1);
            }
            for size in [7, 1] {
                assert_eq!(in_chunks(&model, prompt, size), whole, "{name}, chunks of {size}");
            }
        }
        // A row between two experts may go to the other one.
        assert!(far * 4 <= all, "{name}: {far} of {all} positions are further off");
    }
}

/// The root of the mean square of all errors, over that of the logits.
fn relative_error(model: &Model, golden: &Golden) -> f32 {
    let (mut errors, mut squares) = (0.0, 0.0);
    for (prompt, want) in golden.prompts.iter().zip(&golden.logits) {
        for (got, want) in in_chunks(model, prompt, prompt.len()).iter().zip(want) {
            errors += got.iter().zip(want).map(|(g, w)| (g - w) * (g - w)).sum::<f32>();
            squares += want.iter().map(|w| w * w).sum::<f32>();
        }
    }
    (errors / squares).sqrt()
}

#[test]
fn four_bits_cost_more_than_eight_and_less_than_the_logits_are() {
    for name in FAMILIES {
        let (four, golden) = load(name, Dtype::Q4);
        let (eight, _) = load(name, Dtype::Auto);
        let weights = [four.rounding().relative(), eight.rounding().relative()];
        let logits = [relative_error(&four, &golden), relative_error(&eight, &golden)];
        assert!((0.02..0.1).contains(&weights[0]) && (0.001..0.01).contains(&weights[1]), "{name}: {weights:?}");
        // Rows of these models are short and random: nothing averages out, and a row may go to another expert.
        let most = if four.config().experts.is_some() { 0.8 } else { 0.6 };
        assert!(logits[1] < 0.15 && logits[1] < logits[0] && logits[0] < most, "{name}: {logits:?}");
        assert!(four.bytes() < eight.bytes(), "{name}");
    }
}

#[test]
fn keys_and_values_of_8_bits_cost_little_and_half_of_the_memory_and_give_the_same_bits_in_chunks() {
    for name in FAMILIES {
        let (exact, golden) = load(name, Dtype::F32);
        let model = open_with(&family(name), Dtype::F32, KvDtype::Q8);
        let error = relative_error(&model, &golden);
        // A row may go to another expert.
        let most = if model.config().experts.is_some() { 0.4 } else { 0.03 };
        assert!((0.003..most).contains(&error), "{name}: {error}");
        let (single, eight) = (exact.kv_bytes_per_position(), model.kv_bytes_per_position());
        let head_dim = model.config().head_dim;
        assert_eq!(eight * 4 * head_dim, single * (head_dim + 4), "{name}: a byte a number, four for the scale");
        for prompt in &golden.prompts {
            let whole = in_chunks(&model, prompt, prompt.len());
            for size in [7, 1] {
                assert_eq!(in_chunks(&model, prompt, size), whole, "{name}, chunks of {size}");
            }
        }
    }
}

#[test]
fn a_gguf_file_of_the_same_weights_is_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    for name in FAMILIES {
        let path = gguf_file::convert::convert(&family(name)).write(folder.path());
        let model = open(&path, Dtype::F32);
        let golden = golden(name);
        for (p, (prompt, want)) in golden.prompts.iter().zip(&golden.logits).enumerate() {
            for (at, (got, want)) in in_chunks(&model, prompt, prompt.len()).iter().zip(want).enumerate() {
                close(got, want, &format!("{name}, prompt {p}, position {at}"));
            }
        }
    }
}

#[test]
fn ragged_batches_give_the_same_bits() {
    for kept in [(Dtype::F32, KvDtype::Auto), (Dtype::Auto, KvDtype::Auto), (Dtype::Auto, KvDtype::Q8)] {
        for name in FAMILIES {
            let (model, golden) = (open_with(&family(name), kept.0, kept.1), golden(name));
            let cache = || model.kv_cache(9).unwrap();
            let blocks = [[4, 0, 6], [3, 5, 7], [1, 2, 8]];
            let last = |prompt: &[u32], blocks: &[u32], cache: &KvCache| {
                logits(&model, &[LaneChunk::new(prompt, 0, blocks, 1)], cache).remove(0)
            };
            let alone: Vec<Vec<f32>> =
                golden.prompts.iter().zip(&blocks).map(|(prompt, blocks)| last(prompt, blocks, &cache())).collect();
            let together: Vec<LaneChunk> = golden
                .prompts
                .iter()
                .zip(&blocks)
                .map(|(tokens, blocks)| LaneChunk::new(tokens, 0, blocks, 1))
                .collect();
            assert_eq!(logits(&model, &together, &cache()), alone, "{name} {kept:?}: ragged");

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
            assert_eq!(got, alone, "{name} {kept:?}: chunked");
        }
    }
}

/// A number that looks random.
fn number(i: usize) -> f32 {
    ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0
}

#[test]
fn an_adapter_is_the_weights_with_it_merged() {
    const RANK: usize = 2;
    for name in FAMILIES.into_iter().filter(|name| !["mixtral", "qwen3-moe"].contains(name)) {
        let (folder, merged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut tensors = candle_core::safetensors::load(family(name).join("model.safetensors"), &Device::Cpu).unwrap();
        let mut adapter = std::collections::HashMap::new();
        let mut names: Vec<String> = tensors.keys().filter(|n| n.ends_with("_proj.weight")).cloned().collect();
        names.sort();
        for (i, tensor) in names.iter().enumerate() {
            let (outputs, inputs) = tensors[tensor].dims2().unwrap();
            let values = |n: usize, by: f32| (0..n).map(|j| by * number(i * 31 + j)).collect::<Vec<f32>>();
            let a = candle_core::Tensor::from_vec(values(RANK * inputs, 0.3), (RANK, inputs), &Device::Cpu).unwrap();
            let b = candle_core::Tensor::from_vec(values(outputs * RANK, 0.3), (outputs, RANK), &Device::Cpu).unwrap();
            // alpha is twice the rank.
            let sum = (&tensors[tensor] + (b.matmul(&a).unwrap() * 2.0).unwrap()).unwrap();
            tensors.insert(tensor.clone(), sum);
            let stem = tensor.trim_end_matches(".weight");
            adapter.insert(format!("base_model.model.{stem}.lora_A.weight"), a);
            adapter.insert(format!("base_model.model.{stem}.lora_B.weight"), b);
        }
        candle_core::safetensors::save(&tensors, merged.path().join("model.safetensors")).unwrap();
        std::fs::copy(family(name).join("config.json"), merged.path().join("config.json")).unwrap();
        candle_core::safetensors::save(&adapter, folder.path().join("adapter_model.safetensors")).unwrap();
        let config = format!(r#"{{"peft_type": "LORA", "r": {RANK}, "lora_alpha": {}}}"#, 2 * RANK);
        std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();

        let mut model = open(&family(name), Dtype::F32);
        let adapter = pad_model::Adapter::open(folder.path(), model.config()).unwrap();
        let adapter = model.add_adapter(adapter);
        let prompt = &golden(name).prompts[0];
        let want = in_chunks(&open(merged.path(), Dtype::F32), prompt, prompt.len());
        let cache = model.kv_cache(6).unwrap();
        let plain = LaneChunk::new(prompt, 0, &[0, 1, 2], prompt.len());
        let adapted = LaneChunk { adapter: Some(adapter), ..LaneChunk::new(prompt, 0, &[5, 4, 3], prompt.len()) };
        let both = logits(&model, &[plain, adapted], &cache);
        assert_eq!(both[..prompt.len()], in_chunks(&model, prompt, prompt.len()), "{name}: rows without the adapter");
        for (at, (got, want)) in both[prompt.len()..].iter().zip(&want).enumerate() {
            close(got, want, &format!("{name} adapted, position {at}"));
        }
    }
}

#[test]
fn a_tensor_that_nothing_is_read_from_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = candle_core::safetensors::load(family("llama").join("model.safetensors"), &Device::Cpu).unwrap();
    std::fs::copy(family("llama").join("config.json"), folder.path().join("config.json")).unwrap();
    let options =
        ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(1)) };
    let mut with = |name: &str| {
        let vector = candle_core::Tensor::ones(8, candle_core::DType::F32, &Device::Cpu).unwrap();
        tensors.insert(name.to_owned(), vector);
        candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
        Model::open(folder.path(), &options)
    };
    with("model.layers.0.self_attn.rotary_emb.inv_freq").unwrap();
    let message = with("model.layers.1.self_attn.sinks").unwrap_err().to_string();
    assert!(message.contains("tensor model.layers.1.self_attn.sinks"), "{message}");
    let mut file = gguf_file::convert::convert(&family("llama"));
    file.tensor("blk.1.attn_sinks.weight", &[8], vec![1.0; 8]);
    let message = Model::open(&file.write(folder.path()), &options).unwrap_err().to_string();
    assert!(message.contains("tensor blk.1.attn_sinks.weight"), "{message}");
    file.set("general.architecture", gguf_file::Value::text("rwkv7"));
    let message = Model::open(&file.write(folder.path()), &options).unwrap_err().to_string();
    assert!(message.contains("architecture \"rwkv7\" is not supported; supported are gemma, "), "{message}");
}

#[test]
fn equal_lengths_in_one_batch() {
    let (model, golden) = load("llama", Dtype::F32);
    let cache = model.kv_cache(4).unwrap();
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
        rope_theta: shape.ropes[0].theta,
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
    let cache = model.kv_cache(8).unwrap();
    let chunk = LaneChunk::new(&tokens, 0, &[7, 2, 5, 0, 1, 3], 1);
    close(&logits(&model, &[chunk], &cache)[0], &want, "oracle");
}

#[test]
fn bad_input_is_refused() {
    let (model, _) = load("llama", Dtype::F32);
    let cache = model.kv_cache(2).unwrap();
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
            &ModelOptions {
                dtype: Dtype::F32,
                kv_dtype: KvDtype::Auto,
                device: Device::Cpu,
                pool: Arc::new(Pool::new(1))
            }
        )
        .is_err()
    );
}

#[test]
fn loading_tells_how_far_it_is() {
    let mut weights = pad_model::open(&family("llama")).unwrap();
    let layers = weights.config().layers;
    let options =
        ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(1)) };
    let mut told = Vec::new();
    Model::load_watched(weights.as_mut(), &options, |loaded| told.push(loaded)).unwrap();
    assert_eq!(told, (1..=layers).collect::<Vec<_>>());
}
