//! From the parts of a checkpoint to a device's memory.

use pad_model::config::{HeadNorms, NormPlacement, RopeConfig};
use pad_model::{Dtype, LayerPart, Matrix, ModelConfig, ModelError, Part, Weights};

use crate::attention::Rotations;
use crate::layer::DeviceLayer;
use crate::matrix::DeviceMatrix;
use crate::queue::Queue;
use crate::shape::Norm;

/// Reads parts of a checkpoint and uploads them.
pub struct Loader<'a> {
    pub weights: &'a mut dyn Weights,
    pub queue: &'a mut Queue,
    pub config: &'a ModelConfig,
    pub dtype: Dtype,
}

impl Loader<'_> {
    /// All of one layer.
    pub fn layer(&mut self, layer: usize) -> Result<DeviceLayer, ModelError> {
        let part = |part| Part::Layer(layer, part);
        let (before, after) = match self.config.norms {
            NormPlacement::Before => (true, false),
            NormPlacement::After => (false, true),
            NormPlacement::Both => (true, true),
        };
        let head_norms = match self.config.head_norms {
            HeadNorms::None => None,
            HeadNorms::Head | HeadNorms::Row => {
                Some([self.norm(part(LayerPart::QueryNorm))?, self.norm(part(LayerPart::KeyNorm))?])
            }
        };
        let mut norm = |there: bool, which| if there { self.norm(part(which)).map(Some) } else { Ok(None) };
        let attention_norm = norm(before, LayerPart::AttentionNorm)?;
        let attention_post_norm = norm(after, LayerPart::AttentionPostNorm)?;
        let feed_forward_norm = norm(before, LayerPart::FeedForwardNorm)?;
        let feed_forward_post_norm = norm(after, LayerPart::FeedForwardPostNorm)?;
        Ok(DeviceLayer {
            attention_norm,
            rule: self.config.rules[layer],
            qkv: self.matrix(&[part(LayerPart::Query), part(LayerPart::Key), part(LayerPart::Value)])?,
            head_norms,
            attention_output: self.matrix(&[part(LayerPart::AttentionOutput)])?,
            attention_post_norm,
            feed_forward_norm,
            gate_up: self.matrix(&[part(LayerPart::Gate), part(LayerPart::Up)])?,
            down: self.matrix(&[part(LayerPart::Down)])?,
            feed_forward_post_norm,
        })
    }

    /// A norm.
    pub fn norm(&mut self, part: Part) -> Result<Norm, ModelError> {
        let weight = self.weights.norm(part)?;
        Ok(Norm { weight: self.queue.hold_numbers(&weight)?, len: weight.len() })
    }

    /// Parts that read the same input, as one matrix.
    pub fn matrix(&mut self, parts: &[Part]) -> Result<DeviceMatrix, ModelError> {
        let matrices = parts.iter().map(|part| self.weights.matrix(*part)).collect::<Result<Vec<Matrix>, _>>()?;
        let biased: Vec<Part> = parts.iter().copied().filter(|part| self.weights.has_bias(*part)).collect();
        let biases = biased.iter().map(|part| self.weights.bias(*part)).collect::<Result<Vec<_>, _>>()?.concat();
        if !biased.is_empty() && biased.len() != parts.len() {
            return self.refuse(format!("only {biased:?} of {parts:?} have a bias; all of them or none are supported"));
        }
        let bias = (!biased.is_empty()).then_some(&biases[..]);
        DeviceMatrix::load(self.queue, &matrices, bias, self.dtype)
    }

    /// The rotations of all positions.
    pub fn rotations(&mut self, rope: &RopeConfig) -> Result<Rotations, ModelError> {
        let (rope, mut cos, mut sin) = (rope.rope(), Vec::new(), Vec::new());
        (0..self.config.context).for_each(|position| rope.push(position, &mut cos, &mut sin));
        Ok(Rotations { half: rope.half(), cos: self.queue.hold_numbers(&cos)?, sin: self.queue.hold_numbers(&sin)? })
    }

    /// The error about this checkpoint.
    pub fn refuse<T>(&self, message: String) -> Result<T, ModelError> {
        Err(ModelError::Weights { path: self.weights.path().to_owned(), message })
    }
}
