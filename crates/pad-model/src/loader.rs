//! From the parts of a checkpoint to the operations that run them.

use std::sync::Arc;

use candle_core::Tensor;
use pad_kernels::{Arena, FeedForward, HeadNorm, Linear, PackedWeights, RmsNorm, Rounding};

use crate::config::{HeadNorms, NormPlacement};
use crate::layer::{Layer, Mixer};
use crate::mixture::Mixture;
use crate::packing::{Order, pack};
use crate::{Dtype, LayerPart, Matrix, ModelConfig, ModelError, ModelOptions, Part, Weights};

/// Reads parts of a checkpoint, packs them on the CPU, and keeps them as they are on other devices.
pub struct Loader<'a> {
    weights: &'a mut dyn Weights,
    options: &'a ModelOptions,
    config: &'a ModelConfig,
    arena: Arena,
    rounding: Rounding,
}

impl<'a> Loader<'a> {
    /// A loader of `weights`, whose configuration is `config`.
    pub fn new(weights: &'a mut dyn Weights, options: &'a ModelOptions, config: &'a ModelConfig) -> Self {
        Self { weights, options, config, arena: Arena::default(), rounding: Rounding::default() }
    }

    /// Whether the checkpoint has the part's weight.
    pub fn has(&self, part: Part) -> bool {
        self.weights.has_weight(part)
    }

    /// All of one layer.
    pub fn layer(&mut self, layer: usize) -> Result<Layer, ModelError> {
        let part = |part| Part::Layer(layer, part);
        let (before, after) = match self.config.norms {
            NormPlacement::Before => (true, false),
            NormPlacement::After => (false, true),
            NormPlacement::Both => (true, true),
        };
        let head_norm = match self.config.head_norms {
            HeadNorms::None => None,
            HeadNorms::Head | HeadNorms::Row => Some(HeadNorm {
                queries: self.norm(part(LayerPart::QueryNorm))?,
                keys: self.norm(part(LayerPart::KeyNorm))?,
            }),
        };
        let mut norm = |there: bool, which| if there { self.norm(part(which)).map(Some) } else { Ok(None) };
        let attention_norm = norm(before, LayerPart::AttentionNorm)?;
        let attention_post_norm = norm(after, LayerPart::AttentionPostNorm)?;
        let feed_forward_norm = norm(before, LayerPart::FeedForwardNorm)?;
        let feed_forward_post_norm = norm(after, LayerPart::FeedForwardPostNorm)?;
        Ok(Layer {
            attention_norm,
            rule: self.config.rules[layer],
            qkv: self.linear(&[part(LayerPart::Query), part(LayerPart::Key), part(LayerPart::Value)])?,
            head_norm,
            attention_output: self.linear(&[part(LayerPart::AttentionOutput)])?,
            attention_post_norm,
            feed_forward_norm,
            mixer: self.mixer(layer)?,
            feed_forward_post_norm,
        })
    }

    /// The feed-forward part of a layer, or its experts.
    fn mixer(&mut self, layer: usize) -> Result<Mixer, ModelError> {
        let part = |part| Part::Layer(layer, part);
        let Some(rule) = self.config.experts else {
            let parts = [LayerPart::Gate, LayerPart::Up, LayerPart::Down].map(part);
            return Ok(Mixer::Dense(self.feed_forward(parts)?));
        };
        let router = self.linear_as(&[part(LayerPart::Router)], Dtype::F32)?;
        let experts = (0..rule.count).map(|e| {
            let parts = [LayerPart::ExpertGate(e), LayerPart::ExpertUp(e), LayerPart::ExpertDown(e)].map(part);
            self.feed_forward(parts)
        });
        Ok(Mixer::Mixture(Mixture { experts: experts.collect::<Result<_, _>>()?, router, rule }))
    }

    /// A norm.
    pub fn norm(&mut self, part: Part) -> Result<RmsNorm, ModelError> {
        let weight = self.weights.norm(part)?;
        let len = weight.len();
        let weight = Tensor::from_vec(weight, len, &self.options.device)?;
        Ok(RmsNorm::new(weight, self.config.norm_eps)?)
    }

    /// Parts that read the same input, stacked into one matrix.
    pub fn linear(&mut self, parts: &[Part]) -> Result<Linear, ModelError> {
        self.linear_as(parts, self.options.dtype)
    }

    /// The embeddings or the unembedding.
    pub fn embeddings(&mut self, part: Part) -> Result<Linear, ModelError> {
        self.linear_as(&[part], self.options.dtype.of_embeddings())
    }

    /// What rounding did to all weights that were packed so far.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    fn linear_as(&mut self, parts: &[Part], dtype: Dtype) -> Result<Linear, ModelError> {
        let (matrices, bias) = self.read(parts)?;
        if !self.options.device.is_cpu() {
            return self.dense(matrices, bias);
        }
        let weights = self.pack(&matrices, Order::Stacked, dtype)?;
        Ok(Linear::Packed { weights, bias: bias.map(Into::into), pool: Arc::clone(&self.options.pool) })
    }

    fn feed_forward(&mut self, [gate, up, down]: [Part; 3]) -> Result<FeedForward, ModelError> {
        let width = self.config.intermediate;
        let (matrices, bias) = self.read(&[gate, up])?;
        let (down, gate) = ([down], self.config.gate);
        if !self.options.device.is_cpu() {
            let gate_up = self.dense(matrices, bias)?;
            return Ok(FeedForward::Dense { gate, gate_up, down: self.linear(&down)? });
        }
        let gate_up_bias = bias.map(|bias| {
            let mut ordered = vec![0.0; Order::Gated.outputs(&matrices)];
            for (i, value) in bias.into_iter().enumerate() {
                ordered[FeedForward::place(i / width, i % width)] = value;
            }
            ordered.into()
        });
        let gate_up = self.pack(&matrices, Order::Gated, self.options.dtype)?;
        let (down, down_bias) = self.read(&down)?;
        let down = self.pack(&down, Order::Stacked, self.options.dtype)?;
        let (down_bias, pool) = (down_bias.map(Into::into), Arc::clone(&self.options.pool));
        Ok(FeedForward::Packed { gate_up, gate_up_bias, down, down_bias, gate, pool })
    }

    /// Refuse a checkpoint with tensors that nothing was read from.
    pub fn check_all_read(&self) -> Result<(), ModelError> {
        match self.weights.unread() {
            None => Ok(()),
            Some(name) => {
                let message = format!("tensor {name}: not a part of this kind of model; its use is not supported");
                Err(ModelError::weights(self.weights.path(), message))
            }
        }
    }

    fn pack(&mut self, parts: &[Matrix], order: Order, dtype: Dtype) -> Result<Arc<PackedWeights>, ModelError> {
        let (packed, rounding) = pack(&mut self.arena, &self.options.pool, parts, order, dtype)?;
        self.rounding += rounding;
        Ok(Arc::new(packed))
    }

    /// Matrices, and their biases one after the other: those of all parts, or of none.
    fn read(&mut self, parts: &[Part]) -> Result<(Vec<Matrix>, Option<Vec<f32>>), ModelError> {
        let matrices = parts.iter().map(|part| self.weights.matrix(*part)).collect::<Result<_, _>>()?;
        let biased: Vec<Part> = parts.iter().copied().filter(|part| self.weights.has_bias(*part)).collect();
        let biases = biased.iter().map(|part| self.weights.bias(*part)).collect::<Result<Vec<_>, _>>()?;
        if !biases.is_empty() && biases.len() != parts.len() {
            let message = format!("only {biased:?} of {parts:?} have a bias; all of them or none are supported");
            return Err(ModelError::weights(self.weights.path(), message));
        }
        Ok((matrices, (!biases.is_empty()).then(|| biases.concat())))
    }

    /// The matrices stacked, in single precision on the device.
    fn dense(&self, matrices: Vec<Matrix>, bias: Option<Vec<f32>>) -> Result<Linear, ModelError> {
        let (outputs, inputs) = (matrices.iter().map(|m| m.outputs).sum::<usize>(), matrices[0].inputs);
        let values = matrices.into_iter().map(Matrix::into_single).collect::<Result<Vec<_>, _>>()?.concat();
        let weight = Tensor::from_vec(values, (outputs, inputs), &self.options.device)?;
        let bias = bias.map(|b| Tensor::from_vec(b, outputs, &self.options.device)).transpose()?;
        Ok(Linear::Dense { weight, bias })
    }
}
