//! Files in other number formats than the small model's: read, rounded when they are loaded, or refused by name.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use half::f16;

use crate::client::ask;
use crate::model;
use crate::server::Server;

/// ggml's `kvalues_iq4nl`.
const IQ4: [f32; 16] = [-127., -104., -83., -65., -49., -35., -22., -10., 1., 13., 25., 38., 53., 69., 89., 113.];

/// ggml's numbers of tensor types.
const IQ2_XXS: u32 = 16;
const IQ4_NL: u32 = 20;

/// The small model with fewer layers, in `folder`; `dtype` may choose another type for each tensor by its name.
fn shorter(folder: &Path, layers: u32, dtype: impl Fn(&str) -> Option<GgmlDType>) -> PathBuf {
    let mut file = File::open(model::fetched()).expect("the small model");
    let content = Content::read(&mut file).expect("its header");
    let kept = |name: &&String| {
        let layer = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        layer.is_none_or(|layer| layer < layers)
    };
    let mut names: Vec<&String> = content.tensor_infos.keys().filter(kept).collect();
    names.sort();
    let tensors: HashMap<&str, QTensor> = names
        .iter()
        .map(|name| {
            let tensor = content.tensor(&mut file, name, &Device::Cpu).expect("a tensor");
            let tensor = match dtype(name) {
                None => tensor,
                Some(dtype) => {
                    let values = tensor.dequantize(&Device::Cpu).expect("its values");
                    QTensor::quantize(&values, dtype).expect("other values")
                }
            };
            (name.as_str(), tensor)
        })
        .collect();
    let mut metadata = content.metadata.clone();
    metadata.insert("llama.block_count".to_owned(), Value::U32(layers));
    let metadata: Vec<(&str, _)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let path = folder.join("shorter.gguf");
    write(&mut File::create(&path).expect("a file"), &metadata, &tensors).expect("a GGUF file");
    path
}

/// Give a tensor that is kept as `Q4_0` another type of the same size; `blocks` turns the bytes of its blocks into those of the other.
fn retyped(path: &Path, tensor: &str, number: u32, block: impl Fn([u8; 18]) -> [u8; 18]) {
    let content = Content::read(&mut File::open(path).expect("the file")).expect("its header");
    let info = &content.tensor_infos[tensor];
    let mut bytes = std::fs::read(path).expect("the file");
    let header = bytes.windows(tensor.len()).position(|window| window == tensor.as_bytes()).expect("its name");
    // Behind the name: the number of dimensions, two dimensions, the type.
    let kind = header + tensor.len() + 4 + 2 * 8;
    assert_eq!(bytes[kind..kind + 4], 2_u32.to_le_bytes(), "Q4_0");
    bytes[kind..kind + 4].copy_from_slice(&number.to_le_bytes());
    let start = (content.tensor_data_offset + info.offset) as usize;
    for bytes in bytes[start..][..info.shape.elem_count() / 32 * 18].chunks_exact_mut(18) {
        let other = block((&*bytes).try_into().expect("18 bytes"));
        bytes.copy_from_slice(&other);
    }
    std::fs::write(path, bytes).expect("the file");
}

/// The 16 values of `Q4_0`, 8 below to 7 above 0, as the nearest entries of the table at the scale at which the table spans them.
fn as_iq4_nl(block: [u8; 18]) -> [u8; 18] {
    let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
    let nearest = |q: u8| {
        let distance = |entry: &usize| (IQ4[*entry] / 16.0 - (f32::from(q) - 8.0)).abs();
        (0..16).min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("an entry") as u8
    };
    let mut out = block.map(|byte| nearest(byte & 15) | nearest(byte >> 4) << 4);
    out[..2].copy_from_slice(&f16::from_f32(scale / 16.0).to_le_bytes());
    out
}

/// What a start with these flags says before it fails.
fn refused(flags: &[&str]) -> String {
    let output = model::pad().args(["serve", "--port", "0"]).args(flags).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.contains("panicked"), "{said}");
    said
}

/// The relative error that the log states.
fn error_stated(log: &str) -> f64 {
    let plain: String = log.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
    let (_, rest) = plain.split_once("relative_rms_error=").unwrap_or_else(|| panic!("{log}"));
    rest.split(char::is_whitespace).next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{log}"))
}

#[test]
fn a_file_in_iq4_nl_is_served_and_one_in_a_type_that_is_not_read_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let tensor = "blk.1.ffn_up.weight";
    let path = shorter(folder.path(), 2, |name| (name == tensor).then_some(GgmlDType::Q4_0));
    retyped(&path, tensor, IQ4_NL, as_iq4_nl);
    let server = Server::start(&["--model", path.to_str().expect("UTF-8"), "--model-name", "short"], &[]);
    let mut question = ask("hi", 4);
    question["model"] = "short".into();
    let answer = server.client().completion(&question);
    assert_ne!(answer["usage"]["completion_tokens"], 0, "{answer}");
    drop(server);
    let path = shorter(folder.path(), 2, |name| (name == tensor).then_some(GgmlDType::Q4_0));
    retyped(&path, tensor, IQ2_XXS, |block| block);
    let said = refused(&["--model", path.to_str().expect("UTF-8")]);
    assert!(said.contains(&format!("tensor {tensor}: its type IQ2_XXS is not supported")), "{said}");
}

#[test]
fn weights_of_16_bits_are_quantised_when_they_are_loaded_and_the_error_is_stated() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = shorter(folder.path(), 2, |name| (!name.contains("norm")).then_some(GgmlDType::F16));
    let path = path.to_str().expect("UTF-8");
    let mut question = ask("hi", 4);
    question["model"] = "short".into();
    let mut errors = [0.0; 2];
    for (error, quantise) in errors.iter_mut().zip(["q8", "q4"]) {
        let server = Server::start(&["--model", path, "--model-name", "short", "--quantise", quantise], &[]);
        assert_ne!(server.client().completion(&question)["usage"]["completion_tokens"], 0);
        *error = error_stated(&server.log());
    }
    // Before they were of 16 bits, all but the embeddings were of 4.
    assert!((1e-4..0.01).contains(&errors[0]) && errors[1] < 0.9 * errors[0], "{errors:?}");
    let said = refused(&["--model", path, "--quantise", "q4", "--dtype", "f32"]);
    assert!(
        said.contains("model.quantise") && said.contains("--quantise") && said.contains("model.dtype `auto`"),
        "{said}"
    );
}

#[test]
fn what_is_quantised_already_is_not_quantised_again() {
    model::fetched();
    let said = refused(&["--quantise", "q4"]);
    assert!(said.contains("model.quantise is `q4`") && said.contains("are Q4_1 already"), "{said}");
}

#[test]
fn the_start_says_the_context_and_what_bounds_it() {
    let log = Server::shared().log();
    assert!(log.contains("  context       8192 tokens, the model's limit\n"), "{log}");
    let small = Server::start(&[], &[("PAD_ENGINE__KV_POSITIONS", "512")]);
    let log = small.log();
    assert!(
        log.contains("  context       512 tokens, all that the KV cache holds; 8192 without that limit\n"),
        "{log}"
    );
    assert_eq!(small.client().get("/v1/models").json()["data"][0]["max_model_len"], 512);
    let eight = Server::start(&["--kv-dtype", "q8"], &[("PAD_ENGINE__KV_MEMORY", "64 MiB")]);
    // 30 layers of 3 heads, a key and a value of 64 bytes and a scale of 4: 12,240 bytes a position.
    let log = eight.log();
    assert!(log.contains("  KV cache      63 MiB for 5472 tokens, in 8 bits, all lanes together\n"), "{log}");
    assert_eq!(eight.client().get("/v1/models").json()["data"][0]["max_model_len"], 5472);
    let long = small.client().chat(&ask(&"story ".repeat(600), 1));
    assert_eq!((long.status, long.error()["code"].as_str()), (400, Some("context_length_exceeded")));
}
