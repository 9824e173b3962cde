//! Files whose figures do not hold: each is refused by name, none ends the process or takes memory for what it claims.

#[expect(dead_code, reason = "the conversion of checkpoints is another test's")]
mod gguf_file;

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use gguf_file::{GgufFile, Value};
use pad_model::{Dtype, GgufWeights, KvDtype, Model, ModelOptions, Pool, ValueHead};
use safetensors::tensor::{Dtype as Kind, TensorView};

fn options(dtype: Dtype) -> ModelOptions {
    ModelOptions { dtype, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(1)) }
}

/// A model of Llama's kind: hidden 64, 8 heads of 8, vocabulary 64, one layer.
fn llama() -> GgufFile {
    gguf_file::llama::llama(64, 96)
}

/// Why a file is refused, in both forms that weights are kept in.
fn refused(file: &GgufFile) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = file.write(folder.path());
    let error = |dtype| Model::open(&path, &options(dtype)).unwrap_err().to_string();
    let (single, quantised) = (error(Dtype::F32), error(Dtype::Auto));
    assert_eq!(single, quantised);
    single
}

#[test]
fn the_model_itself_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    Model::open(&llama().write(folder.path()), &options(Dtype::F32)).unwrap();
}

#[test]
fn a_tensor_of_another_shape_is_named() {
    for (name, dims) in [
        ("blk.0.attn_q.weight", &[8_u64, 64][..]),
        ("blk.0.attn_q.weight", &[4, 64]),
        ("blk.0.attn_k.weight", &[8, 64]),
        ("blk.0.attn_k.weight", &[0, 64]),
        ("blk.0.attn_q.weight", &[64]),
        ("blk.0.attn_q.weight", &[8, 8, 64]),
        ("blk.0.attn_v.weight", &[32, 64]),
        ("blk.0.ffn_down.weight", &[96, 64]),
        ("blk.0.attn_norm.weight", &[32]),
        ("output_norm.weight", &[64, 64]),
        ("output.weight", &[32, 64]),
        ("blk.0.attn_q.bias", &[8]),
    ] {
        let mut file = llama();
        file.tensor(name, dims, vec![0.5; dims.iter().product::<u64>() as usize]);
        let message = refused(&file);
        assert!(message.contains(&format!("tensor {name}: its shape is {dims:?}")), "{message}");
    }
}

#[test]
fn factors_of_rotary_frequencies_are_as_many_as_pairs() {
    for (count, named) in [(5_u64, "5 factors, 4 are needed"), (4096, "rope_freqs.weight: 1 to 2048 numbers")] {
        let mut file = llama();
        file.tensor("rope_freqs.weight", &[count], vec![0.5; count as usize]);
        let message = refused(&file);
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    for rows in [(1 << 58) + 260, 1 << 62, u64::MAX, 1 << 40, 1 << 24] {
        let mut file = llama();
        file.tensor("token_embd.weight", &[rows, 64], vec![0.5; 64]);
        let message = refused(&file);
        assert!(message.contains("vocabulary size is") || message.contains("token_embd"), "{message}");
    }
    for (key, value) in
        [("embedding_length", u32::MAX), ("attention.head_count", 0), ("attention.head_count", u32::MAX)]
    {
        let mut file = llama();
        file.set(&format!("llama.{key}"), Value::U32(value));
        refused(&file);
    }
    for (key, value, name) in [
        ("attention.key_length", 6001, "head dimension 6001"),
        ("attention.head_count_kv", 3, "3 KV heads"),
        ("block_count", 1 << 30, "number of layers is 1073741824"),
    ] {
        let mut file = llama();
        file.set(&format!("llama.{key}"), Value::U32(value));
        let message = refused(&file);
        assert!(message.contains(name), "{message}");
    }
    for alignment in [0, 3] {
        let mut file = llama();
        file.set("general.alignment", Value::U32(alignment));
        let message = refused(&file);
        assert!(message.contains(&format!("general.alignment is {alignment}")), "{message}");
    }
}

#[test]
fn figures_that_are_no_numbers_are_refused() {
    for (key, value) in [
        ("attention.layer_norm_rms_epsilon", f32::NAN),
        ("attention.layer_norm_rms_epsilon", -1.0),
        ("rope.freq_base", 0.0),
        ("rope.freq_base", f32::INFINITY),
    ] {
        let mut file = llama();
        file.set(&format!("llama.{key}"), Value::F32(value));
        refused(&file);
    }
    let mut file = llama();
    file.set("llama.rope.scaling.type", Value::text("linear"));
    file.set("llama.rope.scaling.factor", Value::F32(0.0));
    assert!(refused(&file).contains("rope scaling: 0 is not a positive number"));
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    for name in ["token_embd.weight", "blk.0.ffn_down.weight", "blk.0.attn_norm.weight", "output_norm.weight"] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            let mut file = llama();
            let (_, _, values) = file.tensors.iter_mut().find(|(known, ..)| known == name).unwrap();
            values[17] = value;
            let message = refused(&file);
            assert!(message.contains(&format!("tensor {name}: value 17 is {value}")), "{message}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = llama().bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    for end in (0..2048).step_by(7).chain([whole.len() - 1]) {
        std::fs::write(&path, &whole[..end]).unwrap();
        assert!(GgufWeights::open(&path).is_err() || Model::open(&path, &options(Dtype::F32)).is_err(), "{end}");
    }
}

/// Write `heads.safetensors` with these tensors.
fn heads(folder: &Path, tensors: &[(&str, &[usize], f32)]) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, shape, value)| value.to_le_bytes().repeat(shape.iter().product())).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (*name, TensorView::new(Kind::F32, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &folder.join("heads.safetensors")).unwrap();
}

#[test]
fn heads_that_do_not_fit_are_named() {
    let pool = Arc::new(Pool::new(1));
    let folder = tempfile::tempdir().unwrap();
    let open = |tensors: &[(&str, &[usize], f32)]| {
        heads(folder.path(), tensors);
        ValueHead::open_each(folder.path(), &[("humor", 1.0)], 32, &Device::Cpu, &pool)
    };
    let (u, v, b) = ("heads.humor.u", "heads.humor.v", "heads.humor.b");
    open(&[(u, &[32, 4], 0.5), (v, &[32, 4], 0.5), (b, &[32], 0.5)]).unwrap();
    for (tensors, named) in [
        ([(u, &[4, 32][..], 0.5), (v, &[4, 32], 0.5), (b, &[32], 0.5)], "heads.humor.u: its shape is [4, 32]"),
        ([(u, &[32, 4], 0.5), (v, &[4, 32], 0.5), (b, &[32], 0.5)], "heads.humor.v: its shape is [4, 32]"),
        ([(u, &[4, 32], 0.5), (v, &[32, 4], 0.5), (b, &[32], 0.5)], "heads.humor.u: its shape is [4, 32]"),
        ([(u, &[32], 0.5), (v, &[32], 0.5), (b, &[32], 0.5)], "heads.humor.u: its shape is [32]"),
        ([(u, &[32, 0], 0.5), (v, &[32, 0], 0.5), (b, &[32], 0.5)], "heads.humor.u: its shape is [32, 0]"),
        ([(u, &[32, 4], 0.5), (v, &[32, 4], 0.5), (b, &[1, 32], 0.5)], "heads.humor.b: its shape is [1, 32]"),
        ([(u, &[32, 4], f32::NAN), (v, &[32, 4], 0.5), (b, &[32], 0.5)], "heads.humor.u: value 0 is NaN"),
        ([(u, &[32, 4], 0.5), (v, &[32, 4], 0.5), (b, &[32], f32::INFINITY)], "heads.humor.b: value 0 is inf"),
    ] {
        let message = open(&tensors).unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
}
