//! A [`ModelConfig`] from a GGUF header.

use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use pad_kernels::RopeScaling;

use super::ModelConfig;
use crate::ModelError;

/// Read the header: the shape, and whether query and key rows are kept as interleaved rotary pairs.
///
/// # Errors
/// If a figure is missing or the architecture is not supported.
pub fn from_gguf(path: &Path, content: &Content) -> Result<(ModelConfig, bool), ModelError> {
    let header = Header { path, content };
    let architecture = header.text("general.architecture")?;
    let interleaved = match architecture.as_str() {
        "llama" => true,
        "qwen2" => false,
        other => {
            let message = format!("architecture {other:?} is not supported; supported are \"llama\" and \"qwen2\"");
            return Err(ModelError::config(path, message));
        }
    };
    let key = |name: &str| format!("{architecture}.{name}");
    let heads = header.count(&key("attention.head_count"))?;
    let hidden = header.count(&key("embedding_length"))?;
    let embeddings = content.tensor_infos.get("token_embd.weight").and_then(|info| info.shape.dims().first().copied());
    let vocabulary = match embeddings {
        Some(rows) => rows,
        None => header.count(&key("vocab_size"))?,
    };
    let kv_heads = header.get(&key("attention.head_count_kv")).map_or(Ok(heads), |v| header.as_count(v))?;
    let head_dim = match header.get(&key("attention.key_length")) {
        Some(value) => header.as_count(value)?,
        None => hidden.checked_div(heads).unwrap_or(0),
    };
    let theta = header.get(&key("rope.freq_base")).and_then(|v| v.to_f32().ok()).unwrap_or(10_000.0);
    let config = ModelConfig {
        vocabulary,
        hidden,
        intermediate: header.count(&key("feed_forward_length"))?,
        layers: header.count(&key("block_count"))?,
        heads,
        kv_heads,
        head_dim,
        context: header.count(&key("context_length"))?,
        norm_eps: f64::from(header.number(&key("attention.layer_norm_rms_epsilon"))?),
        rope_theta: theta,
        rope_scaling: header.rope_scaling(&architecture)?,
    };
    Ok((config.check(path)?, interleaved))
}

struct Header<'a> {
    path: &'a Path,
    content: &'a Content,
}

impl Header<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    fn need(&self, key: &str) -> Result<&Value, ModelError> {
        self.get(key).ok_or_else(|| ModelError::config(self.path, format!("{key} is missing")))
    }

    fn text(&self, key: &str) -> Result<String, ModelError> {
        let value = self.need(key)?;
        value.to_string().cloned().map_err(|e| ModelError::config(self.path, format!("{key}: {e}")))
    }

    fn number(&self, key: &str) -> Result<f32, ModelError> {
        self.need(key)?.to_f32().map_err(|e| ModelError::config(self.path, format!("{key}: {e}")))
    }

    fn count(&self, key: &str) -> Result<usize, ModelError> {
        self.as_count(self.need(key)?).map_err(|e| ModelError::config(self.path, format!("{key}: {e}")))
    }

    fn as_count(&self, value: &Value) -> Result<usize, ModelError> {
        let count = value.to_u64().map_err(|e| ModelError::config(self.path, e.to_string()))?;
        Ok(count as usize)
    }

    fn rope_scaling(&self, architecture: &str) -> Result<RopeScaling, ModelError> {
        let key = |name: &str| format!("{architecture}.rope.scaling.{name}");
        let kind = self.get(&key("type")).and_then(|v| v.to_string().ok()).map_or("none", String::as_str);
        match kind {
            "none" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear { factor: self.number(&key("factor"))? }),
            other => {
                let message = format!("rope scaling {other:?} is not supported; supported are \"none\" and \"linear\"");
                Err(ModelError::config(self.path, message))
            }
        }
    }
}
