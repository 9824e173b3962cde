//! Bilinear adapters: several weights in one batch. What they compute is compared in the black-box tests (`tests/bilinear.rs`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_model::{
    Adapter, Dtype, KvCache, KvDtype, LaneChunk, Model, ModelConfig, ModelOptions, Pool, Strength, Wanted,
};

const PROMPT: [u32; 7] = [1, 17, 40, 5, 93, 21, 8];

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(folder)
}

fn model(dtype: Dtype) -> Model {
    let options = ModelOptions { dtype, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    Model::open(&data("families/llama"), &options).unwrap()
}

/// All logits of the last row of each chunk.
fn logits(model: &Model, chunks: &[LaneChunk<'_>], cache: &KvCache) -> Vec<Vec<f32>> {
    let hidden = model.forward(chunks, cache).unwrap();
    let all = Wanted::At((0..model.config().vocabulary as u32).collect());
    let read = model.logits(&hidden, &vec![all.alone(); chunks.len()]).unwrap();
    read.into_iter().map(|row| row.ranked.iter().map(|r| r.logit).collect()).collect()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |m, (a, b)| f32::max(m, (a - b).abs()))
}

#[test]
fn a_row_has_its_own_core_whatever_the_company() {
    for dtype in [Dtype::F32, Dtype::Auto] {
        let mut model = model(dtype);
        let adapter = Adapter::bilinear(&data("bilinear"), 3, model.config()).unwrap();
        assert_eq!(adapter.first_layer(), 1);
        let adapter = Some(model.add_adapter(adapter));
        let cache = model.kv_cache(6).unwrap();
        let chunk = |mix: [f32; 3], block, trunk| LaneChunk {
            adapter,
            trunk,
            strength: Strength::mix(&mix),
            ..LaneChunk::new(&PROMPT, 0, block, 1)
        };
        let alone = |mix| logits(&model, &[chunk(mix, &[5], None)], &cache).remove(0);
        let (one, other) = ([0.25, 0.75, 0.0], [0.75, 0.0, 0.25]);
        let base = LaneChunk::new(&PROMPT, 0, &[0], 1);
        let plain = logits(&model, std::slice::from_ref(&base), &cache).remove(0);
        let all = [
            base,
            chunk(one, &[1], Some(0)),
            chunk(other, &[2], Some(0)),
            chunk(one, &[3], None),
            chunk([0.0; 3], &[4], None),
        ];
        let got = logits(&model, &all, &cache);
        assert_eq!(
            [&got[0], &got[1], &got[2], &got[3], &got[4]],
            [&plain, &alone(one), &alone(other), &alone(one), &alone([0.0; 3])]
        );
        for (a, b) in [(0, 1), (1, 2), (0, 4), (1, 4)] {
            assert!(worst(&got[a], &got[b]) > 1e-2, "{a} and {b} are the same");
        }
    }
}

#[test]
fn a_strength_of_another_adapter_is_refused() {
    let mut model = model(Dtype::F32);
    let bilinear = model.add_adapter(Adapter::bilinear(&data("bilinear"), 3, model.config()).unwrap());
    let plain = model.add_adapter(Adapter::open(&data("families/llama-lora"), model.config()).unwrap());
    let cache = model.kv_cache(1).unwrap();
    for (adapter, strength, said) in [
        (bilinear, Strength::ONE, "an adapter of 3 weights is given no weights"),
        (bilinear, Strength::mix(&[1.0]), "an adapter of 3 weights is given 1 weights"),
        (plain, Strength::mix(&[1.0]), "an adapter of no weights is given 1 weights"),
    ] {
        let chunk = LaneChunk { adapter: Some(adapter), strength, ..LaneChunk::new(&PROMPT, 0, &[0], 1) };
        let message = model.forward(&[chunk], &cache).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = model(Dtype::F32).config().clone();
    let folder = tempfile::tempdir().unwrap();
    let refused = |config: &ModelConfig| Adapter::bilinear(folder.path(), 3, config).unwrap_err().to_string();
    let copy = |name: &str| std::fs::copy(data("bilinear").join(name), folder.path().join(name)).unwrap();
    copy("adapter_config.json");
    let tensors = candle_core::safetensors::load(data("bilinear/adapter_model.safetensors"), &Device::Cpu).unwrap();
    let query = |part: &str| format!("base_model.model.model.layers.1.self_attn.q_proj.pblora_{part}");
    let with = |change: &dyn Fn(&mut HashMap<String, Tensor>)| {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        candle_core::safetensors::save(&tensors, folder.path().join("adapter_model.safetensors")).unwrap();
        refused(&config)
    };
    let zeros =
        |rows: usize, width: usize| Tensor::zeros((rows, width), candle_core::DType::F32, &Device::Cpu).unwrap();
    for (part, rows, width, wanted) in
        [("A", 4, 32, "[7, 32]"), ("B", 32, 4, "[32, 7]"), ("W1", 3, 3, "[4, 4]"), ("W2", 2, 9, "[3, 9]")]
    {
        let message = with(&|tensors| drop(tensors.insert(query(part), zeros(rows, width))));
        let said = format!("{}: its shape is [{rows}, {width}], the model's figures say {wanted}", query(part));
        assert!(message.contains(&said), "{message}");
        let message = with(&|tensors| drop(tensors.remove(&query(part))));
        assert!(message.contains(&format!("tensor {} is not", query(part))), "{message}");
    }
    let message = with(&|tensors| drop(tensors.insert("base_model.model.lm_head.pblora_A".to_owned(), zeros(1, 1))));
    assert!(message.contains("1 of its tensors belong to no linear layer of a model of 3 layers"), "{message}");
    let path = folder.path().join("adapter_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, said) in [
        ("\"PBLORA\"", "\"LORA\"", "peft_type is \"LORA\"; \"PBLORA\" is supported"),
        ("\"obj_num\": 3", "\"obj_num\": 4", "obj_num is 4; the reward model has 3 dimensions"),
        ("\"r1\": 4", "\"r1\": 0", "r1 is 0 and r2 is 3; both must be 1 to 256"),
        ("\"r1\": 4", "\"r\": 4", "missing field `r1`"),
        ("\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true", "fan_in_fan_out"),
        ("\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]", "modules_to_save"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let message = refused(&config);
        assert!(message.contains(said), "{message}");
    }
}
