//! The configuration of a model.

use pad_kernels::{AttentionRule, Gate, KvLayout};

use super::RopeConfig;

/// Where a layer's parts are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormPlacement {
    /// What a part reads: `x + part(norm(x))`.
    #[default]
    Before,
    /// What a part gives: `x + norm(part(x))`.
    After,
    /// Both: `x + norm(part(norm(x)))`.
    Both,
}

/// Over what queries and keys are normalised before they are rotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadNorms {
    /// They are not.
    #[default]
    None,
    /// Each head alone.
    Head,
    /// All heads of a row together.
    Row,
}

/// A mixture of experts in place of each layer's feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// How many a layer has.
    pub count: usize,
    /// How many each row is given to.
    pub used: usize,
    /// Whether the weights of those used are made to sum to 1.
    pub normalised: bool,
}

/// The shape of a decoder-only transformer, and what it does differently from Llama.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward part, or of each expert.
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
    /// Where a layer's parts are normalised.
    pub norms: NormPlacement,
    /// Over what queries and keys are normalised.
    pub head_norms: HeadNorms,
    /// What the gates of the feed-forward part go through.
    pub gate: Gate,
    /// Embeddings are multiplied by it.
    pub embedding_scale: f32,
    /// Logits become `cap * tanh(logit / cap)`.
    pub logit_cap: Option<f32>,
    /// The rotary embeddings that the layers' rules name.
    pub ropes: Vec<RopeConfig>,
    /// How the rows of each layer look back, one rule a layer.
    pub rules: Vec<AttentionRule>,
    /// A mixture of experts, if it is one.
    pub experts: Option<Experts>,
}

impl ModelConfig {
    /// The shape of attention and its cache.
    pub fn kv_layout(&self) -> KvLayout {
        KvLayout { heads: self.heads, kv_heads: self.kv_heads, head_dim: self.head_dim }
    }

    /// The positions that some row may still look back on, its own included; none where some layer looks back on all.
    pub fn window(&self) -> Option<usize> {
        let windows = self.rules.iter().map(|rule| rule.window.map(std::num::NonZeroUsize::get));
        windows.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}
