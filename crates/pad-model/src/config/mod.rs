//! The shape of a transformer, whatever file describes it.

mod gguf;
mod hugging_face;

use std::path::Path;

use pad_kernels::{KvLayout, RopeScaling};

use crate::ModelError;

pub use gguf::from_gguf;
pub use hugging_face::from_json_file;

/// The shape of a decoder-only transformer of Llama's kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward part.
    pub intermediate: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Values in a head.
    pub head_dim: usize,
    /// Positions that the model was made for.
    pub context: usize,
    /// Added to the mean square in every norm.
    pub norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Scaling of the rotary frequencies.
    pub rope_scaling: RopeScaling,
}

impl ModelConfig {
    /// The shape of attention and its cache.
    pub fn kv_layout(&self) -> KvLayout {
        KvLayout { heads: self.heads, kv_heads: self.kv_heads, head_dim: self.head_dim }
    }

    /// Refuse a shape that cannot be run, naming the figure.
    fn check(self, path: &Path) -> Result<Self, ModelError> {
        let fail = |message: String| Err(ModelError::config(path, message));
        let figures = [
            ("vocabulary size", self.vocabulary),
            ("hidden size", self.hidden),
            ("intermediate size", self.intermediate),
            ("number of layers", self.layers),
            ("number of heads", self.heads),
            ("number of KV heads", self.kv_heads),
            ("context length", self.context),
        ];
        if let Some((name, _)) = figures.iter().find(|(_, value)| *value == 0) {
            return fail(format!("{name} is 0"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fail(format!("{} heads are not a multiple of {} KV heads", self.heads, self.kv_heads));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return fail(format!("head dimension {} is not a positive even number", self.head_dim));
        }
        Ok(self)
    }
}
