//! Any bytes as a file of a checkpoint are a model, or an error: no size that a file states is believed.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::Device;
use pad_model::{Dtype, GgufWeights, KvDtype, Model, ModelOptions, Pool, SafetensorsWeights, ValueHead, config};
use pad_text::Chat;

/// The shape that the tensors of a `.safetensors` file are read for.
const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 4, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
    "num_attention_heads": 2, "max_position_embeddings": 8, "rms_norm_eps": 1e-5}"#;

/// The first byte chooses the kind of file, the others are its contents.
///
/// # Panics
/// Where reading panics.
pub fn check(data: &[u8]) {
    let Some((kind, contents)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, contents: &[u8]| fs::write(folder.path().join(name), contents).expect("a file");
    match kind % 4 {
        0 => {
            write("model.gguf", contents);
            gguf(&folder.path().join("model.gguf"));
        }
        1 => {
            write("config.json", CONFIG.as_bytes());
            write("model.safetensors", contents);
            if let Ok(mut weights) = SafetensorsWeights::open(folder.path()) {
                let _ = Model::load(&mut weights, options());
            }
        }
        2 => {
            write("config.json", contents);
            let _ = config::from_json_file(&folder.path().join("config.json"));
        }
        _ => {
            write("value_head.bin", contents);
            let _ = ValueHead::open(folder.path(), 4, &Device::Cpu, &options().pool);
        }
    }
}

fn gguf(path: &Path) {
    let Ok(mut weights) = GgufWeights::open(path) else { return };
    let _ = Chat::from_gguf(weights.content());
    let _ = Model::load(&mut weights, options());
}

fn options() -> &'static ModelOptions {
    static OPTIONS: OnceLock<ModelOptions> = OnceLock::new();
    OPTIONS.get_or_init(|| ModelOptions {
        dtype: Dtype::Auto,
        kv_dtype: KvDtype::Auto,
        device: Device::Cpu,
        pool: Arc::new(Pool::new(1)),
    })
}
