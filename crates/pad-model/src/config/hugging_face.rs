//! A [`ModelConfig`] from a Hugging Face `config.json`: what each family sets.

use std::num::NonZeroUsize;
use std::path::Path;

use pad_kernels::{AttentionRule, Gate};
use serde::Deserialize;

use super::hugging_face_rope::{RopeContext, RopeJson, RopesJson};
use super::{Experts, HeadNorms, ModelConfig, NormPlacement, RopeConfig};
use crate::ModelError;

/// The families that are read, by `model_type`.
const FAMILIES: [&str; 12] = [
    "gemma",
    "gemma2",
    "gemma3_text",
    "llama",
    "mistral",
    "mixtral",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen3",
    "qwen3_moe",
    "smollm3",
];

/// The fields that matter; others describe training or other programs.
#[derive(Clone, Debug, Deserialize)]
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
    hidden_activation: Option<String>,
    /// The older dialect: rotary settings at the top level.
    rope_theta: Option<f32>,
    rope_local_base_freq: Option<f32>,
    partial_rotary_factor: Option<f32>,
    original_max_position_embeddings: Option<f32>,
    rope_scaling: Option<RopeJson>,
    /// The newer dialect: everything in one object, or one for each kind of layer.
    rope_parameters: Option<RopesJson>,
    layer_types: Option<Vec<String>>,
    sliding_window: Option<usize>,
    sliding_window_pattern: Option<usize>,
    #[serde(rename = "_sliding_window_pattern")]
    inner_sliding_window_pattern: Option<usize>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<usize>,
    /// 1 for each layer that encodes positions.
    no_rope_layers: Option<Vec<u8>>,
    no_rope_layer_interval: Option<usize>,
    query_pre_attn_scalar: Option<f32>,
    attn_logit_softcapping: Option<f32>,
    final_logit_softcapping: Option<f32>,
    use_bidirectional_attention: Option<serde_json::Value>,
    num_experts: Option<usize>,
    num_local_experts: Option<usize>,
    num_experts_per_tok: Option<usize>,
    moe_intermediate_size: Option<usize>,
    norm_topk_prob: Option<bool>,
    decoder_sparse_step: Option<usize>,
    #[serde(default)]
    mlp_only_layers: Vec<usize>,
}

/// Read a `config.json`: the shape, and what is added to the weights of norms as the file has them.
///
/// # Errors
/// If it cannot be read, a figure is missing, or it asks for something that is not supported.
pub fn from_json_file(path: &Path) -> Result<(ModelConfig, String, f32), ModelError> {
    let text = std::fs::read_to_string(path).map_err(ModelError::io(path))?;
    from_json(&text)
        .map_err(|message| ModelError::config(path, message))
        .and_then(|(config, family, offset)| Ok((config.check(path)?, family, offset)))
}

fn from_json(text: &str) -> Result<(ModelConfig, String, f32), String> {
    /// Checked first: a file of another family need not have the other keys.
    #[derive(Deserialize)]
    struct Type {
        model_type: String,
    }
    let Type { model_type } = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if !FAMILIES.contains(&model_type.as_str()) {
        return Err(format!("model_type {model_type:?} is not supported; supported are {}", FAMILIES.join(", ")));
    }
    let json: Json = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let offset = if json.is_gemma() { 1.0 } else { 0.0 };
    Ok((json.config()?, model_type, offset))
}

impl Json {
    fn is(&self, families: &[&str]) -> bool {
        families.contains(&self.model_type.as_str())
    }

    fn is_gemma(&self) -> bool {
        self.is(&["gemma", "gemma2", "gemma3_text"])
    }

    fn config(self) -> Result<ModelConfig, String> {
        let heads = self.num_attention_heads;
        let head_dim = self.head_dim.unwrap_or(self.hidden_size / heads.max(1));
        if let Some(value) =
            self.use_bidirectional_attention.as_ref().filter(|v| v.as_bool() != Some(false) && !v.is_null())
        {
            return Err(format!("use_bidirectional_attention {value} is not supported; supported is false"));
        }
        let experts = self.experts()?;
        let intermediate = match self.moe_intermediate_size {
            Some(width) if experts.is_some() => width,
            _ => self.intermediate_size,
        };
        Ok(ModelConfig {
            vocabulary: self.vocab_size,
            hidden: self.hidden_size,
            intermediate,
            layers: self.num_hidden_layers,
            heads,
            kv_heads: self.num_key_value_heads.unwrap_or(heads),
            head_dim,
            context: self.max_position_embeddings,
            norm_eps: self.rms_norm_eps,
            norms: match self.model_type.as_str() {
                "gemma2" | "gemma3_text" => NormPlacement::Both,
                "olmo2" => NormPlacement::After,
                _ => NormPlacement::Before,
            },
            head_norms: match self.model_type.as_str() {
                "qwen3" | "qwen3_moe" | "gemma3_text" => HeadNorms::Head,
                "olmo2" => HeadNorms::Row,
                _ => HeadNorms::None,
            },
            gate: self.gate()?,
            embedding_scale: if self.is_gemma() { (self.hidden_size as f32).sqrt() } else { 1.0 },
            logit_cap: self.final_logit_softcapping,
            ropes: self.ropes(head_dim)?,
            rules: self.rules(head_dim)?,
            experts,
        })
    }

    fn gate(&self) -> Result<Gate, String> {
        // Gemma 1's files say "gelu" and mean its tanh form, as its own code has it.
        if self.model_type == "gemma" {
            return Ok(Gate::GeluTanh);
        }
        match self.hidden_activation.as_deref().or(self.hidden_act.as_deref()) {
            None | Some("silu" | "swish") => Ok(Gate::Silu),
            Some("gelu_pytorch_tanh") => Ok(Gate::GeluTanh),
            Some(other) => {
                Err(format!("hidden_act {other:?} is not supported; supported are \"silu\" and \"gelu_pytorch_tanh\""))
            }
        }
    }

    /// The rotary embedding of layers that see everything and, where it is another one, that of layers with a window.
    fn ropes(&self, head_dim: usize) -> Result<Vec<RopeConfig>, String> {
        let of = RopeContext {
            head_dim,
            theta: self.rope_theta,
            partial: self.partial_rotary_factor,
            context: self.max_position_embeddings,
            original: self.original_max_position_embeddings,
        };
        let one = match (&self.rope_parameters, &self.rope_scaling) {
            (Some(RopesJson::ByKind(kinds)), _) => {
                let kind = |name: &str| {
                    kinds.get(name).ok_or_else(|| format!("rope_parameters: {name} is missing"))?.config(&of)
                };
                return Ok(vec![kind("full_attention")?, kind("sliding_attention")?]);
            }
            (Some(RopesJson::One(one)), _) => one.config(&of)?,
            (None, Some(scaling)) => scaling.config(&of)?,
            (None, None) => RopeJson::default().config(&of)?,
        };
        Ok(match self.rope_local_base_freq {
            Some(theta) if self.model_type == "gemma3_text" => vec![one, RopeConfig::plain(head_dim, theta)],
            _ => vec![one],
        })
    }

    /// Whether a layer has the window.
    fn windowed(&self, layer: usize) -> Result<bool, String> {
        if let Some(types) = &self.layer_types {
            return match types.get(layer).map(String::as_str) {
                Some("sliding_attention") => Ok(true),
                Some("full_attention") => Ok(false),
                other => Err(format!(
                    "layer_types: layer {layer} is {other:?}; supported are \"full_attention\" and \"sliding_attention\""
                )),
            };
        }
        Ok(match self.model_type.as_str() {
            "gemma2" => layer.is_multiple_of(2),
            "gemma3_text" => !(layer + 1)
                .is_multiple_of(self.sliding_window_pattern.or(self.inner_sliding_window_pattern).unwrap_or(6)),
            "mistral" | "mixtral" | "phi3" => true,
            "qwen2" | "qwen3" | "qwen3_moe" => {
                self.use_sliding_window == Some(true) && layer >= self.max_window_layers.unwrap_or(0)
            }
            _ => self.use_sliding_window == Some(true),
        })
    }

    fn rules(&self, head_dim: usize) -> Result<Vec<AttentionRule>, String> {
        // A file may say any number; what is too much is refused when the shape is checked.
        let layers = self.num_hidden_layers.min(1 << 12);
        let local = matches!(self.rope_parameters, Some(RopesJson::ByKind(_)))
            || self.model_type == "gemma3_text" && self.rope_local_base_freq.is_some();
        let scale = self.query_pre_attn_scalar.filter(|_| self.is_gemma()).map(|scalar| 1.0 / scalar.sqrt());
        (0..layers)
            .map(|layer| {
                let usual = AttentionRule::usual(head_dim);
                let windowed = self.windowed(layer)? && self.sliding_window.is_some();
                let window = self.sliding_window.filter(|_| windowed).map(|window| {
                    NonZeroUsize::new(window).ok_or_else(|| "sliding_window is 0; at least 1 is allowed".to_owned())
                });
                let encoded = self.model_type != "smollm3"
                    || match (&self.no_rope_layers, self.no_rope_layer_interval.unwrap_or(4)) {
                        (Some(layers), _) => layers.get(layer).is_none_or(|rope| *rope != 0),
                        (None, interval) => interval == 0 || !(layer + 1).is_multiple_of(interval),
                    };
                Ok(AttentionRule {
                    rope: encoded.then_some(usize::from(local && windowed)),
                    scale: scale.unwrap_or(usual.scale),
                    soft_cap: self.attn_logit_softcapping,
                    window: window.transpose()?,
                })
            })
            .collect()
    }

    fn experts(&self) -> Result<Option<Experts>, String> {
        if !self.is(&["mixtral", "qwen3_moe"]) {
            return Ok(None);
        }
        if self.decoder_sparse_step.is_some_and(|step| step != 1) || !self.mlp_only_layers.is_empty() {
            return Err(
                "decoder_sparse_step or mlp_only_layers is set; only a mixture of experts in every layer is supported"
                    .to_owned(),
            );
        }
        let need = |name: &str, value: Option<usize>| value.ok_or_else(|| format!("{name} is missing"));
        Ok(Some(Experts {
            count: need("num_experts", self.num_experts.or(self.num_local_experts))?,
            used: need("num_experts_per_tok", self.num_experts_per_tok)?,
            normalised: self.model_type == "mixtral" || self.norm_topk_prob == Some(true),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pad_kernels::RopeScaling;

    fn read_type(model_type: &str, more: &str) -> Result<ModelConfig, String> {
        let text = format!(
            r#"{{"model_type": "{model_type}", "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48,
                "num_hidden_layers": 7, "num_attention_heads": 4, "num_key_value_heads": 2,
                "max_position_embeddings": 128, "rms_norm_eps": 1e-6, {more}}}"#
        );
        Ok(from_json(&text)?.0)
    }

    fn read(rope: &str) -> Result<ModelConfig, String> {
        read_type("llama", &format!(r#""hidden_act": "silu", {rope}"#))
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
        assert_eq!((config.ropes[0].theta, config.head_dim), (500_000.0, 8));
        assert!(matches!(config.ropes[0].scaling, RopeScaling::Llama3 { .. }));
        let plain = read(r#""rope_theta": 10000.0, "rope_scaling": null"#).unwrap();
        assert_eq!(plain.ropes, [RopeConfig::plain(8, 10_000.0)]);
    }

    #[test]
    fn gemma_3_in_both_dialects() {
        let old = r#""sliding_window": 6, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "sliding_window_pattern": 3,
            "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 16, "rope_scaling": {"rope_type": "linear", "factor": 8.0}"#;
        let new = r#""sliding_window": 6, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 16, "layer_types":
            ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention",
            "sliding_attention"], "rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}"#;
        let (old, new) = (read_type("gemma3_text", old).unwrap(), read_type("gemma3_text", new).unwrap());
        assert_eq!(old, new);
        let window = NonZeroUsize::new(6);
        let seen: Vec<_> = old.rules.iter().map(|rule| (rule.rope, rule.window)).collect();
        let (full, local) = ((Some(0), None), (Some(1), window));
        assert_eq!(seen, [local, local, full, local, local, full, local]);
        assert_eq!((old.rules[0].scale, old.window()), (0.25, None));
    }

    #[test]
    fn layers_without_positions_and_windows_by_layer() {
        let smollm3 = read_type("smollm3", r#""no_rope_layers": [1, 1, 0, 1, 1, 1, 0]"#).unwrap();
        let none: Vec<bool> = smollm3.rules.iter().map(|rule| rule.rope.is_none()).collect();
        assert_eq!(none, [false, false, true, false, false, false, true]);
        let every = read_type("smollm3", r#""no_rope_layer_interval": 4"#).unwrap();
        assert_eq!(every.rules.iter().position(|rule| rule.rope.is_none()), Some(3));
        let qwen =
            read_type("qwen2", r#""sliding_window": 5, "use_sliding_window": true, "max_window_layers": 4"#).unwrap();
        assert_eq!(qwen.rules.iter().filter(|rule| rule.window.is_some()).count(), 3);
        let off = read_type("qwen2", r#""sliding_window": 5, "use_sliding_window": false"#).unwrap();
        assert!(off.rules.iter().all(|rule| rule.window.is_none()));
        let mistral = read_type("mistral", r#""sliding_window": 5"#).unwrap();
        assert_eq!(mistral.window(), Some(5));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let refused = |model_type, more| read_type(model_type, more).unwrap_err();
        assert!(refused("llama", r#""rope_parameters": {"rope_type": "dynamic"}"#).contains("dynamic"));
        assert!(refused("mamba", r#""x": 1"#).contains("\"mamba\" is not supported; supported are gemma, "));
        assert!(refused("llama", r#""hidden_act": "relu""#).contains("relu"));
        assert!(refused("mistral", r#""sliding_window": 0"#).contains("sliding_window is 0"));
        assert!(
            refused("gemma3_text", r#""use_bidirectional_attention": true"#).contains("use_bidirectional_attention")
        );
        assert!(refused("qwen3", r#""layer_types": ["linear_attention"]"#).contains("linear_attention"));
        assert!(refused("qwen3_moe", r#""num_experts": 4, "mlp_only_layers": [1]"#).contains("mlp_only_layers"));
        assert!(refused("mixtral", r#""num_experts": 4"#).contains("num_experts_per_tok is missing"));
    }
}
