//! LoRA adapters: against PEFT's logits, and rows that branch off against rows that run all layers themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_model::{
    Adapter, Dtype, KvCache, KvDtype, LaneChunk, Model, ModelConfig, ModelOptions, Pool, Strength, ValueHead, Wanted,
};

const TOLERANCE: f32 = 1e-3;

fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

fn llama(dtype: Dtype) -> Model {
    Model::open(
        &family("llama"),
        &ModelOptions { dtype, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) },
    )
    .unwrap()
}

#[derive(serde::Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    /// `[prompt][position][vocabulary]`
    logits: Vec<Vec<Vec<f32>>>,
}

fn golden(name: &str) -> Golden {
    serde_json::from_str(&std::fs::read_to_string(family(name).join("golden.json")).unwrap()).unwrap()
}

/// All logits of the rows that are read.
fn logits(model: &Model, chunks: &[LaneChunk<'_>], cache: &KvCache) -> Vec<Vec<f32>> {
    let hidden = model.forward(chunks, cache).unwrap();
    let all = Wanted::At((0..model.config().vocabulary as u32).collect());
    let wanted = vec![all.alone(); chunks.iter().map(|chunk| chunk.read).sum()];
    let read = model.logits(&hidden, &wanted).unwrap();
    read.into_iter().map(|row| row.ranked.iter().map(|r| r.logit).collect()).collect()
}

fn worst(got: &[Vec<f32>], want: &[Vec<f32>]) -> f32 {
    assert_eq!(got.len(), want.len());
    got.iter().flatten().zip(want.iter().flatten()).fold(0.0, |m, (g, w)| f32::max(m, (g - w).abs()))
}

/// The golden adapter with the tensors of layer 0 taken out, so that it begins at layer 1.
fn upper(directory: &Path) {
    let from = family("llama-lora");
    std::fs::copy(from.join("adapter_config.json"), directory.join("adapter_config.json")).unwrap();
    let mut tensors = candle_core::safetensors::load(from.join("adapter_model.safetensors"), &Device::Cpu).unwrap();
    tensors.retain(|name, _| !name.contains(".layers.0."));
    candle_core::safetensors::save(&tensors, directory.join("adapter_model.safetensors")).unwrap();
}

#[test]
fn logits_as_in_peft_beside_rows_of_the_base() {
    let mut model = llama(Dtype::F32);
    let adapter = Adapter::open(&family("llama-lora"), model.config()).unwrap();
    assert_eq!(adapter.first_layer(), 0);
    let adapter = model.add_adapter(adapter);
    let (base, adapted) = (golden("llama"), golden("llama-lora"));
    for (prompt, (plain, want)) in base.prompts.iter().zip(base.logits.iter().zip(&adapted.logits)) {
        let cache = model.kv_cache(6).unwrap();
        let own = |blocks, trunk| LaneChunk {
            adapter: Some(adapter),
            trunk,
            ..LaneChunk::new(prompt, 0, blocks, prompt.len())
        };
        let base = LaneChunk::new(prompt, 0, &[4, 1], prompt.len());
        let got = logits(&model, &[own(&[0, 2], None), base, own(&[3, 5], Some(1))], &cache);
        let (own, rest) = got.split_at(prompt.len());
        let (base, branched) = rest.split_at(prompt.len());
        assert!(worst(own, want) < TOLERANCE, "with adapter: {}", worst(own, want));
        assert!(worst(base, plain) < TOLERANCE, "without: {}", worst(base, plain));
        assert!(worst(own, plain) > 10.0 * TOLERANCE, "the adapter changes nothing");
        assert_eq!(branched, own, "branching off at layer 0 is the same computation");
    }
}

#[test]
fn rows_that_branch_off_have_the_bits_of_rows_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    upper(folder.path());
    for dtype in [Dtype::F32, Dtype::Auto] {
        let mut model = llama(dtype);
        let adapter = Adapter::open(folder.path(), model.config()).unwrap();
        assert_eq!(adapter.first_layer(), 1);
        let adapter = model.add_adapter(adapter);
        let prompt = &golden("llama").prompts[0];
        let alone = {
            let cache = model.kv_cache(2).unwrap();
            let chunk = LaneChunk { adapter: Some(adapter), ..LaneChunk::new(prompt, 0, &[0, 1], 1) };
            logits(&model, &[chunk], &cache)
        };
        let plain = logits(&model, &[LaneChunk::new(prompt, 0, &[0, 1], 1)], &model.kv_cache(2).unwrap());
        assert_ne!(alone, plain);
        // In two chunks, beside the base lane and another one.
        let cache = model.kv_cache(6).unwrap();
        let (first, second) = prompt.split_at(5);
        for (tokens, start) in [(first, 0), (second, first.len())] {
            let chunks = [
                LaneChunk::new(tokens, start, &[4, 1], 1),
                LaneChunk { adapter: Some(adapter), trunk: Some(0), ..LaneChunk::new(tokens, start, &[0, 2], 1) },
                LaneChunk::new(tokens, start, &[3, 5], 1),
            ];
            let rows = tokens.len();
            let work: Vec<usize> = chunks.iter().map(|chunk| model.row_layers(chunk)).collect();
            assert_eq!(work, [3 * rows, 2 * rows, 3 * rows], "the first of three layers is the base lane's");
            let got = logits(&model, &chunks, &cache);
            if start > 0 {
                assert_eq!(got, [plain[0].clone(), alone[0].clone(), plain[0].clone()], "{dtype:?}");
            }
        }
    }
}

/// Two strengths of a control vector in one batch, behind the first layer and the last, beside the model itself.
#[test]
fn a_control_vector_moves_its_rows_by_their_strength() {
    let mut model = llama(Dtype::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vector.safetensors");
    let direction = |step: f32| Tensor::from_iter((0..32_u8).map(|i| f32::from(i) * step), &Device::Cpu).unwrap();
    let save = |tensors: &[(&str, Tensor)]| {
        let tensors: std::collections::HashMap<_, _> =
            tensors.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        candle_core::safetensors::save(&tensors, &path).unwrap();
    };
    save(&[("direction.1", direction(0.05)), ("direction.2", direction(-0.02))]);
    let open = |config: &ModelConfig| Adapter::control_vector(&path, config, &Device::Cpu);
    let vector = open(model.config()).unwrap();
    assert_eq!(vector.first_layer(), 1);
    let adapter = Some(model.add_adapter(vector));
    let prompt = &golden("llama").prompts[0];
    let cache = model.kv_cache(4).unwrap();
    let plain = LaneChunk::new(prompt, 0, &[0], 1);
    let chunk = |times, block, trunk| {
        let strength = Strength::new(times);
        LaneChunk { adapter, strength, trunk, ..LaneChunk::new(prompt, 0, block, 1) }
    };
    let alone = |times| logits(&model, &[chunk(times, &[1], None)], &cache).remove(0);
    let all = [plain, chunk(2.0, &[1], Some(0)), chunk(-1.0, &[2], Some(0)), chunk(2.0, &[3], None)];
    let got = logits(&model, &all, &cache);
    assert_eq!(got[0], alone(0.0), "no strength is the model itself");
    assert_eq!([&got[1], &got[2], &got[3]], [&alone(2.0), &alone(-1.0), &alone(2.0)]);
    assert!(worst(&got[..1], &got[1..2]) > 10.0 * TOLERANCE && worst(&got[1..2], &got[2..3]) > 10.0 * TOLERANCE);
    let config = model.config();
    for (name, why) in [("direction.3", "has direction.0 to direction.2"), ("bias", "tensor bias")] {
        save(&[(name, direction(1.0))]);
        let message = open(config).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    }
    save(&[("direction.1", direction(1.0).narrow(0, 0, 8).unwrap().contiguous().unwrap())]);
    assert!(open(config).unwrap_err().to_string().contains("its shape is [8]"));
    save(&[]);
    assert!(open(config).unwrap_err().to_string().contains("has no tensors"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut model = llama(Dtype::F32);
    let config = model.config().clone();
    let folder = tempfile::tempdir().unwrap();
    let refused = |config: &pad_model::ModelConfig| Adapter::open(folder.path(), config).unwrap_err().to_string();
    assert!(refused(&config).contains("adapter_config.json"));
    upper(folder.path());
    let mut wider = config.clone();
    wider.hidden *= 2;
    assert!(refused(&wider).contains("its shape is [4, 32], the model's figures say [4, 64]"), "{}", refused(&wider));
    let mut shallow = config.clone();
    shallow.layers = 1;
    assert!(refused(&shallow).contains("belong to no linear layer of a model of 1 layers"), "{}", refused(&shallow));
    let path = folder.path().join("adapter_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, why) in [
        ("\"LORA\"", "\"IA3\"", "peft_type"),
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
        ("\"use_dora\": false", "\"rank_pattern\": {\"q_proj\": 2}", "rank_pattern"),
        ("\"use_dora\": false", "\"modules_to_save\": [\"lm_head\"]", "modules_to_save"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        assert!(refused(&config).contains(why), "{why}: {}", refused(&config));
    }
    std::fs::write(&path, text).unwrap();
    let adapter = model.add_adapter(Adapter::open(folder.path(), &config).unwrap());
    let cache = model.kv_cache(2).unwrap();
    let base = LaneChunk::new(&[5, 6], 0, &[0], 1);
    let branch = |tokens, adapter, trunk| LaneChunk { adapter, trunk, ..LaneChunk::new(tokens, 0, &[1], 1) };
    for chunk in [
        branch(&[5, 7], Some(adapter), Some(0)),
        branch(&[5], Some(adapter), Some(0)),
        branch(&[5, 6], None, Some(0)),
        branch(&[5, 6], Some(adapter), Some(1)),
        branch(&[5, 6], Some(adapter + 1), Some(0)),
    ] {
        assert!(model.forward(&[base.clone(), chunk], &cache).is_err());
    }
}

#[test]
fn a_low_rank_head_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let tensor = |values: &[f32], rank: usize| Tensor::from_slice(values, (2, rank), &Device::Cpu).unwrap();
    let tensors = std::collections::HashMap::from([
        ("heads.brief.u".to_owned(), tensor(&[1.0, 2.0, 3.0, 4.0], 2)),
        ("heads.brief.v".to_owned(), tensor(&[0.5, 0.0, 0.0, -1.0], 2)),
        ("heads.brief.b".to_owned(), Tensor::from_slice(&[10.0_f32, 20.0], 2, &Device::Cpu).unwrap()),
    ]);
    candle_core::safetensors::save(&tensors, folder.path().join("heads.safetensors")).unwrap();
    let pool = Arc::new(Pool::new(1));
    let open = |heads: &[(&str, f32)], hidden| ValueHead::open_each(folder.path(), heads, hidden, &Device::Cpu, &pool);
    let head = open(&[("brief", 1.0)], 2).unwrap().remove(0);
    // V^T h = (1, -4) for h = (2, 4); U of that is (1 - 8, 3 - 16).
    let moved = head.forward(&tensor(&[2.0, 4.0, 0.0, 0.0], 2)).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(moved, [[2.0 - 7.0 + 10.0, 4.0 - 13.0 + 20.0], [10.0, 20.0]]);
    let half = open(&[("brief", 0.5)], 2).unwrap().remove(0);
    let moved = half.forward(&tensor(&[2.0, 4.0, 0.0, 0.0], 2)).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(moved, [[2.0 - 3.5 + 5.0, 4.0 - 6.5 + 10.0], [5.0, 10.0]]);
    assert!(open(&[("brief", 1.0), ("long", 1.0)], 2).unwrap_err().to_string().contains("2 dimensions have 3 each"));
    assert!(open(&[("long", 1.0)], 2).unwrap_err().to_string().contains("heads.long.u"));
    assert!(open(&[("brief", 1.0)], 3).unwrap_err().to_string().contains("[3, r] with r from 1 to 256 fits"));
}
