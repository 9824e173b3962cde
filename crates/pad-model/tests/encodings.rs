//! Files in formats that candle does not read, or that no tile keeps as they are, against files of the values that their definition
//! gives: the same model, bit for bit in single precision.

#[expect(dead_code, reason = "headers and conversions are other tests'")]
mod gguf_file;

use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use gguf_file::GgufFile;
use gguf_file::llama::llama;
use half::f16;
use pad_model::{Dtype, GgufWeights, KvDtype, LaneChunk, Model, ModelOptions, Pool, Wanted, Weights};

/// ggml's `kvalues_iq4nl`.
const IQ4: [f32; 16] = [-127., -104., -83., -65., -49., -35., -22., -10., 1., 13., 25., 38., 53., 69., 89., 113.];

/// Bytes of values, and the values that these bytes are.
type Encode = fn(&[f32]) -> (Vec<u8>, Vec<f32>);

/// The entries of the table whose products with `scale` are nearest to 32 values.
fn nearest(values: &[f32], scale: f32) -> Vec<u8> {
    let distance = |entry: usize, value: f32| (IQ4[entry] * scale - value).abs();
    let entry = |value: &f32| (0..16).min_by(|a, b| distance(*a, *value).total_cmp(&distance(*b, *value)));
    values.iter().map(|value| entry(value).unwrap() as u8).collect()
}

/// The scale at which the largest of 32 values is the table's largest.
fn scale(values: &[f32]) -> f32 {
    values.iter().fold(0.0_f32, |most, value| if value.abs() > most.abs() { *value } else { most }) / -127.0
}

/// A byte has value `i` in its lower half and value `i + 16` in its upper one.
fn halves(q: &[u8]) -> Vec<u8> {
    (0..16).map(|i| q[i] | q[i + 16] << 4).collect()
}

fn iq4_nl(values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let (mut bytes, mut decoded) = (Vec::new(), Vec::new());
    for values in values.chunks_exact(32) {
        let scale = f16::from_f32(scale(values));
        let q = nearest(values, scale.to_f32());
        bytes.extend(scale.to_le_bytes());
        bytes.extend(halves(&q));
        decoded.extend(q.iter().map(|q| scale.to_f32() * IQ4[usize::from(*q)]));
    }
    (bytes, decoded)
}

/// 6-bit factors less 32, for each of 8 blocks: their low halves in 4 bytes, their upper bits in 2 bytes before.
fn iq4_xs(values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let (mut bytes, mut decoded) = (Vec::new(), Vec::new());
    for values in values.chunks_exact(256) {
        let scales: Vec<f32> = values.chunks_exact(32).map(scale).collect();
        let most = scales.iter().fold(0.0_f32, |most, scale| most.max(scale.abs()));
        let all = f16::from_f32(most / 31.0);
        let factors: Vec<i32> = scales.iter().map(|scale| (scale / all.to_f32()).round() as i32).collect();
        let (mut high, mut low, mut body) = (0_u16, [0_u8; 4], Vec::new());
        for (block, (values, factor)) in values.chunks_exact(32).zip(factors).enumerate() {
            let (scale, bits) = (all.to_f32() * factor as f32, (factor + 32) as u16);
            high |= (bits >> 4) << (2 * block);
            low[block / 2] |= ((bits & 15) << (4 * (block % 2))) as u8;
            let q = nearest(values, scale);
            body.extend(halves(&q));
            decoded.extend(q.iter().map(|q| scale * IQ4[usize::from(*q)]));
        }
        bytes.extend(all.to_le_bytes());
        bytes.extend(high.to_le_bytes());
        bytes.extend(low);
        bytes.extend(body);
    }
    (bytes, decoded)
}

fn by_candle(values: &[f32], dtype: GgmlDType) -> (Vec<u8>, Vec<f32>) {
    let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
    let quantised = QTensor::quantize(&tensor, dtype).unwrap();
    let decoded = quantised.dequantize(&Device::Cpu).unwrap().to_vec1().unwrap();
    (quantised.data().unwrap().into_owned(), decoded)
}

fn q2_k(values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    by_candle(values, GgmlDType::Q2K)
}

fn q3_k(values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    by_candle(values, GgmlDType::Q3K)
}

/// A model of which each matrix is encoded, and one of the values that the bytes are.
fn files(number: u32, encode: Encode) -> (GgufFile, GgufFile) {
    let (mut encoded, mut plain) = (llama(256, 512), llama(256, 512));
    for (at, (name, dims, _)) in llama(256, 512).tensors.iter().enumerate().filter(|(_, (_, dims, _))| dims.len() == 2)
    {
        let len = dims.iter().product::<u64>() as usize;
        let number_at = |i: usize| ((i * 7919 + at * 104_729) % 2003) as f32 / 2003.0 - 0.5;
        let values: Vec<f32> = (0..len).map(|i| number_at(i) * number_at(i / 3)).collect();
        let (bytes, decoded) = encode(&values);
        encoded.encoded.insert(name.clone(), (number, bytes));
        plain.tensor(name, dims, decoded);
    }
    (encoded, plain)
}

fn logits(path: &Path, dtype: Dtype) -> (Vec<f32>, usize) {
    let options = ModelOptions { dtype, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    let model = Model::open(path, &options).unwrap();
    let (tokens, cache) = ([1, 63, 17, 30], model.kv_cache(1).unwrap());
    let hidden = model.forward(&[LaneChunk::new(&tokens, 0, &[0], 4)], &cache).unwrap();
    let all = Wanted::At((0..64).collect());
    let read = model.logits(&hidden, &vec![all.alone(); 4]).unwrap();
    (read.into_iter().flat_map(|row| row.ranked.into_iter().map(|ranked| ranked.logit)).collect(), model.bytes())
}

#[test]
fn the_model_of_the_values_that_the_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    for (number, name, encode) in
        [(20, "IQ4_NL", iq4_nl as Encode), (23, "IQ4_XS", iq4_xs), (10, "Q2_K", q2_k), (11, "Q3_K", q3_k)]
    {
        let (encoded, plain) = files(number, encode);
        let want = logits(&plain.write(folder.path()), Dtype::F32).0;
        let path = encoded.write(folder.path());
        assert_eq!(GgufWeights::open(&path).unwrap().format(), name);
        assert_eq!(logits(&path, Dtype::F32).0, want, "{name}");
        let size = want.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
        let fast = logits(&path, Dtype::Auto).0;
        let worst = fast.iter().zip(&want).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(worst < 0.05 * size, "{name}: {worst} of {size}");
    }
}

#[test]
fn a_type_that_is_not_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = llama(256, 512);
    file.encoded.insert("blk.0.ffn_up.weight".to_owned(), (16, vec![0; 512 * 66]));
    let path = file.write(folder.path());
    for dtype in [Dtype::Auto, Dtype::F32] {
        let options =
            ModelOptions { dtype, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(1)) };
        let error = Model::open(&path, &options).unwrap_err().to_string();
        assert!(error.contains("tensor blk.0.ffn_up.weight: its type IQ2_XXS is not supported"), "{error}");
    }
}
