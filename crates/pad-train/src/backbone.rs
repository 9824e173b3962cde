//! The frozen base model as training runs it: single precision, every operation with a gradient.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_kernels::{Pool, Rope};
use pad_model::config::{HeadNorms, NormPlacement, RopeConfig};
use pad_model::{LayerPart, ModelConfig, ModelError, Part, Weights};

use crate::TrainError;
use crate::adapter::{Adapter, Target};
use crate::layout::Packed;
use crate::ops::{Attention, Gated, Linear, LogProbability, Matrix, Norm};

/// Weights in single precision, and who computes with them.
#[derive(Debug)]
pub struct Backbone {
    config: ModelConfig,
    pool: Arc<Pool>,
    ropes: Vec<Rope>,
    embedding: Arc<Matrix>,
    layers: Vec<Layer>,
    norm: Norm,
    unembedding: Arc<Matrix>,
}

#[derive(Debug)]
struct Layer {
    attention_norm: Option<Norm>,
    attention_post_norm: Option<Norm>,
    /// Of queries and of keys.
    head_norms: Option<[Norm; 2]>,
    feed_forward_norm: Option<Norm>,
    feed_forward_post_norm: Option<Norm>,
    /// In the order of [`Target::ALL`].
    matrices: [Arc<Matrix>; 7],
}

impl Backbone {
    /// Read and dequantise a checkpoint.
    ///
    /// # Errors
    /// If the model has parts that have no gradient here, a tensor is missing, or of another shape than the configuration says.
    pub fn load(weights: &mut dyn Weights, pool: Arc<Pool>) -> Result<Self, TrainError> {
        let config = weights.config().clone();
        if let Some(part) = without_gradient(&config) {
            let path = weights.path().display();
            return Err(TrainError::setting("model", format!("{path}: training does not support {part} yet")));
        }
        let norm = |weights: &mut dyn Weights, part| -> Result<Norm, TrainError> {
            let weight = weights.norm(part)?.into();
            Ok(Norm { weight, eps: config.norm_eps as f32, pool: Arc::clone(&pool) })
        };
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let mut of = |there: bool, part| {
                if there { norm(weights, Part::Layer(i, part)).map(Some) } else { Ok(None) }
            };
            let (before, after) = (config.norms != NormPlacement::After, config.norms != NormPlacement::Before);
            let attention_norm = of(before, LayerPart::AttentionNorm)?;
            let attention_post_norm = of(after, LayerPart::AttentionPostNorm)?;
            let feed_forward_norm = of(before, LayerPart::FeedForwardNorm)?;
            let feed_forward_post_norm = of(after, LayerPart::FeedForwardPostNorm)?;
            let normed = config.head_norms != HeadNorms::None;
            let head_norms = of(normed, LayerPart::QueryNorm)?.zip(of(normed, LayerPart::KeyNorm)?);
            let head_norms = head_norms.map(|(queries, keys)| [queries, keys]);
            let mut matrices = Vec::with_capacity(Target::ALL.len());
            for target in Target::ALL {
                matrices.push(matrix(weights, Part::Layer(i, target.part()))?);
            }
            let Ok(matrices) = matrices.try_into() else { unreachable!("as many as targets") };
            layers.push(Layer {
                attention_norm,
                attention_post_norm,
                head_norms,
                feed_forward_norm,
                feed_forward_post_norm,
                matrices,
            });
        }
        let output_norm = norm(weights, Part::OutputNorm)?;
        let embedding = matrix(weights, Part::Embedding)?;
        let unembedding = if weights.has_weight(Part::Unembedding) {
            matrix(weights, Part::Unembedding)?
        } else {
            Arc::clone(&embedding)
        };
        if let Some(name) = weights.unread() {
            let message = format!("tensor {name}: its use is not supported");
            return Err(ModelError::Weights { path: weights.path().to_owned(), message }.into());
        }
        let ropes = config.ropes.iter().map(RopeConfig::rope).collect();
        Ok(Self { ropes, embedding, layers, norm: output_norm, unembedding, pool, config })
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Who computes.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Its rotary embeddings.
    pub fn ropes(&self) -> &[Rope] {
        &self.ropes
    }

    /// Embeddings of tokens, `[tokens, hidden]`.
    ///
    /// # Errors
    /// If a token does not exist.
    pub fn embed(&self, tokens: &[u32]) -> Result<Tensor, TrainError> {
        let hidden = self.config.hidden;
        let mut rows = Vec::with_capacity(tokens.len() * hidden);
        for token in tokens {
            let at = *token as usize * hidden;
            let Some(row) = self.embedding.weight.get(at..at + hidden) else {
                return Err(TrainError::setting("model", format!("token {token} is outside its vocabulary")));
            };
            rows.extend(row.iter().map(|value| self.config.embedding_scale * value));
        }
        Ok(Tensor::from_vec(rows, (tokens.len(), hidden), &Device::Cpu)?)
    }

    /// Rows `x` `[rows, hidden]` through some layers, with the adapter where there is one.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn layers(
        &self,
        mut x: Tensor,
        packed: &Packed,
        range: Range<usize>,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor, TrainError> {
        for i in range {
            let layer = &self.layers[i];
            let (layout, rule) = (self.config.kv_layout(), self.config.rules[i]);
            let attention = Attention::new(packed, layout, rule, Arc::clone(&self.pool));
            let project = |target: Target, x: &Tensor| self.project(i, target, x, adapter);
            let a = normed(&x, layer.attention_norm.as_ref())?;
            let (mut q, mut k, v) =
                (project(Target::Query, &a)?, project(Target::Key, &a)?, project(Target::Value, &a)?);
            if let Some([queries, keys]) = &layer.head_norms {
                (q, k) = (normed(&q, Some(queries))?, normed(&k, Some(keys))?);
            }
            let attended = q.apply_op3(&k, &v, attention)?;
            let given = project(Target::AttentionOutput, &attended)?;
            x = (x + normed(&given, layer.attention_post_norm.as_ref())?)?;
            let a = normed(&x, layer.feed_forward_norm.as_ref())?;
            let (gate, up) = (project(Target::Gate, &a)?, project(Target::Up, &a)?);
            let gated = gate.apply_op2(&up, Gated { function: self.config.gate, pool: Arc::clone(&self.pool) })?;
            let given = project(Target::Down, &gated)?;
            x = (x + normed(&given, layer.feed_forward_post_norm.as_ref())?)?;
        }
        Ok(x)
    }

    fn project(
        &self,
        layer: usize,
        target: Target,
        x: &Tensor,
        adapter: Option<&Adapter>,
    ) -> candle_core::Result<Tensor> {
        let matrix = Arc::clone(&self.layers[layer].matrices[target as usize]);
        let pair = adapter.and_then(|adapter| Some((adapter.scale(), adapter.pair(layer, target)?)));
        let scale = pair.map_or(0.0, |(scale, _)| scale);
        let linear = Linear { matrix, scale, pool: Arc::clone(&self.pool) };
        match pair {
            Some((_, (a, b))) => x.apply_op3(a, b, linear),
            None => x.apply_op1(linear),
        }
    }

    /// The final norm over the rows that predict: `[read, hidden]`.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn read(&self, x: &Tensor, packed: &Packed) -> Result<Tensor, TrainError> {
        let read = Tensor::from_slice(&packed.read, packed.read.len(), &Device::Cpu)?;
        Ok(x.index_select(&read, 0)?.apply_op1(self.norm.clone())?)
    }

    /// The whole vocabulary.
    pub fn vocabulary(&self) -> Vocabulary {
        Vocabulary { matrix: Arc::clone(&self.unembedding), places: None, pool: Arc::clone(&self.pool) }
    }

    /// A part of the vocabulary: each of these tokens once.
    pub fn part_of_vocabulary(&self, tokens: impl IntoIterator<Item = u32>) -> Vocabulary {
        let hidden = self.config.hidden;
        let mut places = vec![u32::MAX; self.config.vocabulary];
        let mut weight = Vec::new();
        for token in tokens {
            let row = self.unembedding.weight.get(token as usize * hidden..(token as usize + 1) * hidden);
            if let (Some(row), Some(place)) = (row, places.get_mut(token as usize).filter(|place| **place == u32::MAX))
            {
                *place = (weight.len() / hidden) as u32;
                weight.extend_from_slice(row);
            }
        }
        let matrix = Arc::new(Matrix { outputs: weight.len() / hidden, inputs: hidden, weight, bias: None });
        Vocabulary { matrix, places: Some(places), pool: Arc::clone(&self.pool) }
    }
}

/// The tokens over which probabilities are normalised.
#[derive(Debug)]
pub struct Vocabulary {
    matrix: Arc<Matrix>,
    /// Row of each token, where it is not the token's own number.
    places: Option<Vec<u32>>,
    pool: Arc<Pool>,
}

impl Vocabulary {
    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.matrix.outputs
    }

    /// Log-probabilities of `targets`, one a row of `states` (after the final norm, and after a head where there is one). A
    /// gradient of them can be asked for.
    ///
    /// # Errors
    /// If the numbers of rows differ or a token is not in it.
    pub fn log_probabilities(&self, states: &Tensor, targets: &[u32], gradient: bool) -> Result<Tensor, TrainError> {
        let place = |target: &u32| self.places.as_ref().map_or(*target, |places| places[*target as usize]);
        let targets = targets.iter().map(place).collect();
        let operation = LogProbability::new(Arc::clone(&self.matrix), targets, Arc::clone(&self.pool), gradient);
        Ok(states.apply_op1(operation)?)
    }
}

/// `x` normalised, each run of as many values as the norm has; `x` itself where there is none.
fn normed(x: &Tensor, norm: Option<&Norm>) -> candle_core::Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| x.apply_op1(norm.clone()))
}

/// What a model does that training has no operation for.
fn without_gradient(config: &ModelConfig) -> Option<&'static str> {
    let parts = [
        (config.experts.is_some(), "a mixture of experts"),
        (config.logit_cap.is_some(), "a soft cap of logits"),
        (config.rules.iter().any(|rule| rule.soft_cap.is_some()), "a soft cap of attention"),
    ];
    parts.into_iter().find(|(has, _)| *has).map(|(_, part)| part)
}

fn matrix(weights: &mut dyn Weights, part: Part) -> Result<Arc<Matrix>, TrainError> {
    let matrix = weights.matrix(part)?;
    let (outputs, inputs) = (matrix.outputs, matrix.inputs);
    let bias = if weights.has_bias(part) { Some(weights.bias(part)?) } else { None };
    Ok(Arc::new(Matrix { weight: matrix.into_single()?, bias, outputs, inputs }))
}
