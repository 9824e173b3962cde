//! A [`ModelConfig`] from a Hugging Face `config.json`, in either dialect of its rotary settings.

use std::path::Path;

use pad_kernels::RopeScaling;
use serde::Deserialize;

use super::ModelConfig;
use crate::ModelError;

/// The fields that matter; others describe training or other programs.
#[derive(Deserialize)]
struct Json {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    hidden_act: Option<String>,
    /// The older dialect: both at the top level.
    rope_theta: Option<f32>,
    rope_scaling: Option<RopeJson>,
    /// The newer dialect: everything in one object.
    rope_parameters: Option<RopeJson>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
}

#[derive(Default, Deserialize)]
struct RopeJson {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f32>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<f32>,
    partial_rotary_factor: Option<f32>,
}

/// Read a `config.json`.
///
/// # Errors
/// If it cannot be read, a figure is missing, or it asks for something that is not supported.
pub fn from_json_file(path: &Path) -> Result<ModelConfig, ModelError> {
    let text = std::fs::read_to_string(path).map_err(ModelError::io(path))?;
    let json: Json = serde_json::from_str(&text).map_err(|e| ModelError::config(path, e.to_string()))?;
    json.config().map_err(|message| ModelError::config(path, message))?.check(path)
}

impl Json {
    fn config(self) -> Result<ModelConfig, String> {
        match self.model_type.as_str() {
            "llama" | "mistral" | "qwen2" => {}
            other => {
                return Err(format!(
                    "model_type {other:?} is not supported; supported are \"llama\", \"mistral\" and \"qwen2\""
                ));
            }
        }
        if let Some(act) = self.hidden_act.as_deref().filter(|act| *act != "silu") {
            return Err(format!("hidden_act {act:?} is not supported; supported is \"silu\""));
        }
        if let Some(window) = self.sliding_window.filter(|_| self.use_sliding_window != Some(false)) {
            return Err(format!("sliding_window {window} is not supported; supported is null"));
        }
        let rope = self.rope_parameters.or(self.rope_scaling).unwrap_or_default();
        Ok(ModelConfig {
            vocabulary: self.vocab_size,
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
            head_dim: self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1)),
            context: self.max_position_embeddings,
            norm_eps: self.rms_norm_eps,
            rope_theta: rope.rope_theta.or(self.rope_theta).unwrap_or(10_000.0),
            rope_scaling: rope.scaling()?,
        })
    }
}

impl RopeJson {
    fn scaling(&self) -> Result<RopeScaling, String> {
        if let Some(part) = self.partial_rotary_factor.filter(|part| (part - 1.0).abs() > f32::EPSILON) {
            return Err(format!("partial_rotary_factor {part} is not supported; supported is 1"));
        }
        let need = |name: &str, value: Option<f32>| value.ok_or_else(|| format!("rope scaling: {name} is missing"));
        match self.rope_type.as_deref().unwrap_or("default") {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear { factor: need("factor", self.factor)? }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: need("factor", self.factor)?,
                low_freq_factor: need("low_freq_factor", self.low_freq_factor)?,
                high_freq_factor: need("high_freq_factor", self.high_freq_factor)?,
                original_context: need("original_max_position_embeddings", self.original_max_position_embeddings)?,
            }),
            other => Err(format!(
                "rope scaling {other:?} is not supported; supported are \"default\", \"linear\" and \"llama3\""
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rope: &str) -> Result<ModelConfig, String> {
        let text = format!(
            r#"{{"model_type": "llama", "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48,
                "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
                "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "hidden_act": "silu", {rope}}}"#
        );
        serde_json::from_str::<Json>(&text).map_err(|e| e.to_string())?.config()
    }

    #[test]
    fn both_dialects_say_the_same() {
        let old = read(
            r#""rope_theta": 500000.0, "rope_scaling": {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}"#,
        );
        let new = read(
            r#""rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}"#,
        );
        assert_eq!(old, new);
        let config = new.unwrap();
        assert_eq!((config.rope_theta, config.head_dim), (500_000.0, 8));
        assert!(matches!(config.rope_scaling, RopeScaling::Llama3 { .. }));
        assert_eq!(read(r#""rope_theta": 10000.0, "rope_scaling": null"#).unwrap().rope_scaling, RopeScaling::None);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert!(read(r#""rope_parameters": {"rope_type": "yarn"}"#).unwrap_err().contains("yarn"));
        assert!(read(r#""sliding_window": 4096"#).unwrap_err().contains("4096"));
    }
}
