//! The shape that each part of a checkpoint must have: what both kinds of files are checked against before anything is read.

use super::ModelConfig;
use crate::{LayerPart, Part};

impl ModelConfig {
    /// Shape `[outputs, inputs]` of a matrix, `[len]` of a norm's weight.
    pub fn shape(&self, part: Part) -> Vec<usize> {
        let Self { hidden, intermediate, .. } = *self;
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let Part::Layer(_, part) = part else {
            return match part {
                Part::OutputNorm => vec![hidden],
                _ => vec![self.vocabulary, hidden],
            };
        };
        match part {
            LayerPart::AttentionNorm | LayerPart::FeedForwardNorm => vec![hidden],
            LayerPart::Query => vec![queries, hidden],
            LayerPart::Key | LayerPart::Value => vec![keys, hidden],
            LayerPart::AttentionOutput => vec![hidden, queries],
            LayerPart::Gate | LayerPart::Up => vec![intermediate, hidden],
            LayerPart::Down => vec![hidden, intermediate],
        }
    }

    /// Shape of a part's weight or, with `bias`, of its bias: one number for each output.
    pub(crate) fn tensor_shape(&self, part: Part, bias: bool) -> Vec<usize> {
        let mut shape = self.shape(part);
        shape.truncate(if bias { 1 } else { 2 });
        shape
    }
}
