//! The shape of a transformer, whatever file describes it.

mod gguf;
mod hugging_face;
mod shape;

use std::path::Path;

use pad_kernels::{KvLayout, RopeScaling};

use crate::ModelError;

pub use gguf::from_gguf;
pub use hugging_face::from_json_file;

/// No figure of a shape is larger: products of two do not overflow, and no model comes near.
const LARGEST: usize = 1 << 24;

/// No head is wider.
const LARGEST_HEAD: usize = 1 << 12;

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
        if let Some((name, value)) = figures.iter().find(|(_, value)| !(1..=LARGEST).contains(value)) {
            return fail(format!("{name} is {value}; 1 to {LARGEST} are allowed"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fail(format!("{} heads are not a multiple of {} KV heads", self.heads, self.kv_heads));
        }
        if !(1..=LARGEST_HEAD).contains(&self.head_dim) || !self.head_dim.is_multiple_of(2) {
            return fail(format!("head dimension {} is not an even number from 2 to {LARGEST_HEAD}", self.head_dim));
        }
        if self.heads > LARGEST / self.head_dim {
            return fail(format!("{} heads of {} are more than {LARGEST} values", self.heads, self.head_dim));
        }
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return fail(format!("the norms' epsilon {} is not a number of at least 0", self.norm_eps));
        }
        if !positive(self.rope_theta.into()) {
            return fail(format!("the base of the rotary frequencies {} is not a positive number", self.rope_theta));
        }
        if let Some(bad) = self.rope_scaling.numbers().into_iter().find(|number| !positive((*number).into())) {
            return fail(format!("rope scaling: {bad} is not a positive number"));
        }
        Ok(self)
    }
}
