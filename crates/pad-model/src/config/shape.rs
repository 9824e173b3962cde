//! The shape that each part of a checkpoint must have; both kinds of files are checked against it before anything is read.

use super::{HeadNorms, ModelConfig};
use crate::{LayerPart, Part, PartTensor};

impl ModelConfig {
    /// Shape `[outputs, inputs]` of a matrix, `[len]` of a norm's weight.
    pub fn shape(&self, part: Part) -> Vec<usize> {
        let Self { hidden, intermediate, .. } = *self;
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let normed = |row| if self.head_norms == HeadNorms::Row { row } else { self.head_dim };
        let Part::Layer(_, part) = part else {
            return match part {
                Part::OutputNorm => vec![hidden],
                _ => vec![self.vocabulary, hidden],
            };
        };
        match part {
            LayerPart::AttentionNorm
            | LayerPart::AttentionPostNorm
            | LayerPart::FeedForwardNorm
            | LayerPart::FeedForwardPostNorm => vec![hidden],
            LayerPart::QueryNorm => vec![normed(queries)],
            LayerPart::KeyNorm => vec![normed(keys)],
            LayerPart::Query => vec![queries, hidden],
            LayerPart::Key | LayerPart::Value => vec![keys, hidden],
            LayerPart::AttentionOutput => vec![hidden, queries],
            LayerPart::Gate | LayerPart::Up | LayerPart::ExpertGate(_) | LayerPart::ExpertUp(_) => {
                vec![intermediate, hidden]
            }
            LayerPart::Down | LayerPart::ExpertDown(_) => vec![hidden, intermediate],
            LayerPart::Router => vec![self.experts.map_or(0, |experts| experts.count), hidden],
        }
    }

    /// Shape of a part's weight, or of its bias: one number for each output.
    pub(crate) fn tensor_shape(&self, part: Part, tensor: PartTensor) -> Vec<usize> {
        let mut shape = self.shape(part);
        shape.truncate(tensor.dimensions());
        shape
    }
}
