//! How the rows of one layer attend to earlier positions.

use std::num::NonZeroUsize;

/// What differs between the attention of layers of the same shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionRule {
    /// Which of the batch's rotary embeddings turns queries and keys; none where positions are not encoded.
    pub rope: Option<usize>,
    /// Products of queries and keys are multiplied by it.
    pub scale: f32,
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// Positions that a row sees, its own the last of them; all up to its own where absent.
    pub window: Option<NonZeroUsize>,
}

impl AttentionRule {
    /// The usual attention: the first rotary embedding, scores divided by the root of `head_dim`, no cap, no window.
    pub fn usual(head_dim: usize) -> Self {
        Self { rope: Some(0), scale: 1.0 / (head_dim as f32).sqrt(), soft_cap: None, window: None }
    }

    /// The first position that a row at `position` sees.
    pub fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window.get()))
    }
}
