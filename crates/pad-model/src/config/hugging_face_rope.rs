//! The rotary settings of a Hugging Face `config.json`, in either dialect.

use std::collections::HashMap;

use pad_kernels::RopeScaling;
use serde::Deserialize;

use super::RopeConfig;
use super::rope::{longrope_amplitude, yarn_amplitude};

/// The settings of one rotary embedding.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RopeJson {
    rope_type: Option<String>,
    /// The older name; files often have both.
    #[serde(rename = "type")]
    kind: Option<String>,
    pub rope_theta: Option<f32>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    pub original_max_position_embeddings: Option<f32>,
    partial_rotary_factor: Option<f32>,
    attention_factor: Option<f32>,
    beta_fast: Option<f32>,
    beta_slow: Option<f32>,
    mscale: Option<f32>,
    mscale_all_dim: Option<f32>,
    truncate: Option<bool>,
    short_factor: Option<Vec<f32>>,
    long_factor: Option<Vec<f32>>,
}

/// One rotary embedding for all layers, or one for each kind of layer.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum RopesJson {
    /// `full_attention` and `sliding_attention`.
    ByKind(HashMap<String, RopeJson>),
    /// One for all.
    One(Box<RopeJson>),
}

/// What a rotary embedding depends on beside its own settings.
#[derive(Clone, Copy, Debug)]
pub struct RopeContext {
    /// Values in a head.
    pub head_dim: usize,
    /// `rope_theta` of the older dialect.
    pub theta: Option<f32>,
    /// `partial_rotary_factor` of the older dialect.
    pub partial: Option<f32>,
    /// Positions that the model is for.
    pub context: usize,
    /// `original_max_position_embeddings` of the older dialect.
    pub original: Option<f32>,
}

impl RopeJson {
    /// The embedding that is described.
    ///
    /// # Errors
    /// If a setting is missing or not supported.
    pub fn config(&self, of: &RopeContext) -> Result<RopeConfig, String> {
        let part = self.partial_rotary_factor.or(of.partial).unwrap_or(1.0);
        if !(part > 0.0 && part <= 1.0) {
            return Err(format!("partial_rotary_factor is {part}; a number above 0, at most 1, is allowed"));
        }
        let dimensions = (of.head_dim as f32 * part) as usize;
        let theta = self.rope_theta.or(of.theta).unwrap_or(10_000.0);
        let (scaling, amplitude) = self.scaling(of)?;
        Ok(RopeConfig { dimensions, theta, scaling, amplitude })
    }

    fn scaling(&self, of: &RopeContext) -> Result<(RopeScaling, f32), String> {
        let need = |name: &str, value: Option<f32>| value.ok_or_else(|| format!("rope scaling: {name} is missing"));
        let original = self.original_max_position_embeddings.or(of.original);
        Ok(match self.rope_type.as_deref().or(self.kind.as_deref()).unwrap_or("default") {
            "default" => (RopeScaling::None, 1.0),
            "linear" => (RopeScaling::Linear { factor: need("factor", self.factor)? }, 1.0),
            "llama3" => {
                let scaling = RopeScaling::Llama3 {
                    factor: need("factor", self.factor)?,
                    low_freq_factor: need("low_freq_factor", self.low_freq_factor)?,
                    high_freq_factor: need("high_freq_factor", self.high_freq_factor)?,
                    original_context: need("original_max_position_embeddings", original)?,
                };
                (scaling, 1.0)
            }
            "yarn" => {
                let factor = need("factor", self.factor)?;
                let amplitude = match (self.attention_factor, self.mscale, self.mscale_all_dim) {
                    (Some(given), ..) => given,
                    (None, Some(mscale), Some(all)) if mscale != 0.0 && all != 0.0 => {
                        yarn_amplitude(factor, mscale) / yarn_amplitude(factor, all)
                    }
                    _ => yarn_amplitude(factor, 1.0),
                };
                let scaling = RopeScaling::Yarn {
                    factor,
                    beta_fast: self.beta_fast.unwrap_or(32.0),
                    beta_slow: self.beta_slow.unwrap_or(1.0),
                    original_context: original.unwrap_or(of.context as f32),
                    whole: self.truncate.unwrap_or(true),
                };
                (scaling, amplitude)
            }
            "longrope" | "su" => {
                let original = need("original_max_position_embeddings", original)?;
                let context = of.context as f32;
                let (name, factors) = if context > original {
                    ("long_factor", &self.long_factor)
                } else {
                    ("short_factor", &self.short_factor)
                };
                let factors = factors.clone().ok_or_else(|| format!("rope scaling: {name} is missing"))?;
                let amplitude = self.attention_factor.unwrap_or_else(|| match self.factor {
                    Some(factor) => longrope_amplitude(factor * original, original),
                    None => longrope_amplitude(context, original),
                });
                (RopeScaling::Factors(factors), amplitude)
            }
            other => {
                return Err(format!(
                    "rope scaling {other:?} is not supported; supported are \"default\", \"linear\", \"llama3\", \"yarn\" and \
                     \"longrope\""
                ));
            }
        })
    }
}
