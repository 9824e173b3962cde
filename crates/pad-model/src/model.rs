//! The transformer: `tokens -> hidden states -> logits where they are wanted`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use pad_kernels::{Arena, FeedForward, Input, Linear, Logits, Pool, RmsNorm, Rope, Wanted};

use crate::embedding::Embedding;
use crate::layer::Layer;
use crate::matrix::{Dtype, Matrix, Order, pack};
use crate::{Adapter, Batch, KvCache, LaneChunk, LayerPart, ModelConfig, ModelError, Part, ValueHead, Weights};

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// How weights are kept.
    pub dtype: Dtype,
    /// Where it runs.
    pub device: Device,
    /// The threads that compute on the CPU.
    pub pool: Arc<Pool>,
}

/// A loaded model.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    dtype: Dtype,
    device: Device,
    pool: Arc<Pool>,
    rope: Rope,
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    unembedding: Linear,
    adapters: Vec<Adapter>,
}

/// Final-norm hidden states `[rows, hidden]` of the rows that were to be read.
#[derive(Clone, Debug)]
pub struct Hidden(pub Tensor);

impl Model {
    /// Load from an open checkpoint.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape than the configuration says.
    pub fn load(weights: &mut dyn Weights, options: &ModelOptions) -> Result<Self, ModelError> {
        let config = weights.config().clone();
        let mut loader = Loader { weights, options, config: &config, arena: Arena::default() };
        let layers = (0..config.layers).map(|i| loader.layer(i)).collect::<Result<_, _>>()?;
        let norm = loader.norm(Part::OutputNorm)?;
        let shape = (config.vocabulary, config.hidden);
        let embeddings = loader.linear(&[(Part::Embedding, shape.0)], shape.1)?;
        let embedding = Embedding::of(&embeddings);
        let unembedding = if loader.weights.has(Part::Unembedding, false) {
            loader.linear(&[(Part::Unembedding, shape.0)], shape.1)?
        } else {
            embeddings
        };
        let rope = Rope::new(config.head_dim, config.rope_theta, &config.rope_scaling);
        let (device, pool) = (options.device.clone(), Arc::clone(&options.pool));
        Ok(Self {
            config,
            dtype: options.dtype,
            device,
            pool,
            rope,
            embedding,
            layers,
            norm,
            unembedding,
            adapters: Vec::new(),
        })
    }

    /// Open and load a `.gguf` file or a directory in Hugging Face layout.
    ///
    /// # Errors
    /// If it cannot be read or is not supported.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Self, ModelError> {
        Self::load(crate::open(path)?.as_mut(), options)
    }

    /// Take in an adapter of this model's shape; returns what [`LaneChunk::adapter`] calls it.
    pub fn add_adapter(&mut self, adapter: Adapter) -> usize {
        self.adapters.push(adapter);
        self.adapters.len() - 1
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The threads it computes with.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How numbers are kept in its KV cache: half precision where weights are quantised too, else single.
    pub(crate) fn kv_dtype(&self) -> DType {
        if self.device.is_cpu() && self.dtype == Dtype::Auto { DType::F16 } else { DType::F32 }
    }

    /// Bytes of its KV cache per position, all layers together.
    pub fn kv_bytes_per_position(&self) -> usize {
        let ModelConfig { layers, kv_heads, head_dim, .. } = self.config;
        layers * 2 * kv_heads * head_dim * self.kv_dtype().size_in_bytes()
    }

    /// Bytes of weights in memory, tied embeddings counted once.
    pub fn bytes(&self) -> usize {
        let embeddings = match (&self.embedding, &self.unembedding) {
            (Embedding::Packed(a), Linear::Packed { weights: b, .. }) if Arc::ptr_eq(a, b) => 0,
            (Embedding::Packed(weights), _) => weights.bytes(),
            (Embedding::Dense(weight), _) => weight.elem_count() * weight.dtype().size_in_bytes(),
        };
        let adapters: usize = self.adapters.iter().map(Adapter::bytes).sum();
        self.layers.iter().map(Layer::bytes).sum::<usize>() + self.unembedding.bytes() + embeddings + adapters
    }

    /// Advance lanes: their chunks' keys and values go into `cache`, and the hidden states that are to be read come out, in the
    /// order of the chunks. One pass over the weights, whatever the number of lanes.
    ///
    /// # Errors
    /// If there are no rows, a token or position is out of range, or an operation fails.
    pub fn forward(&self, chunks: &[LaneChunk<'_>], cache: &KvCache) -> Result<Hidden, ModelError> {
        for chunk in chunks {
            let end = chunk.start + chunk.tokens.len();
            if end > self.config.context {
                let message = format!("a lane of {end} tokens, but the context is {}", self.config.context);
                return Err(ModelError::Batch(message));
            }
            if let Some(block) = chunk.blocks.iter().find(|block| **block as usize >= cache.blocks()) {
                return Err(ModelError::Batch(format!("KV block {block} of a cache of {}", cache.blocks())));
            }
        }
        let batch = Batch::new(chunks, &self.rope, |adapter| self.adapters.get(adapter).map(Adapter::first_layer))?;
        let layout = self.config.kv_layout();
        let mut x = self.embedding.forward(&batch.tokens)?;
        let (mut stages, mut stage) = (batch.stages.iter().peekable(), None);
        for (i, (layer, cache)) in self.layers.iter().zip(&cache.layers).enumerate() {
            while let Some(next) = stages.next_if(|stage| stage.first_layer == i) {
                if !next.joining.is_empty() {
                    let rows = Tensor::from_slice(&next.joining, next.joining.len(), &self.device)?;
                    x = Tensor::cat(&[&x, &x.index_select(&rows, 0)?], 0)?;
                }
                stage = Some(next);
            }
            let Some(stage) = stage else { break };
            let adapted = |(adapter, rows): &(usize, Range<usize>)| {
                self.adapters[*adapter].layer(i).map(|layer| (rows.clone(), layer))
            };
            let adapters: Vec<_> = stage.spans.iter().filter_map(adapted).collect();
            x = layer.forward(&x, cache, layout, &stage.view, &adapters, &self.pool)?;
        }
        let read = Tensor::from_slice(&batch.read, batch.read.len(), &self.device)?;
        if batch.read.is_empty() {
            return Ok(Hidden(Tensor::zeros((0, self.config.hidden), x.dtype(), &self.device)?));
        }
        Ok(Hidden(self.norm.forward(&x.index_select(&read, 0)?)?))
    }

    /// Read logits of hidden states: one entry of `wanted` a row, a pair of what, and whether the log-sum-exp over the
    /// vocabulary is wanted too. Where `head` is given it is applied before the unembedding.
    ///
    /// # Errors
    /// If the number of rows differs or a token does not exist.
    pub fn logits(
        &self,
        hidden: &Hidden,
        head: Option<&ValueHead>,
        wanted: &[(Wanted, bool)],
    ) -> Result<Vec<Logits>, ModelError> {
        let Some(head) = head else { return Ok(self.unembedding.logits(&hidden.0, wanted)?) };
        Ok(self.unembedding.logits(&head.forward(&hidden.0)?, wanted)?)
    }
}

impl Model {
    /// All logits of hidden states, `[rows, vocabulary]`: for measuring; decoding reads fewer by [`Self::logits`].
    ///
    /// # Errors
    /// If an operation fails.
    pub fn all_logits(&self, hidden: &Hidden) -> Result<Tensor, ModelError> {
        Ok(self.unembedding.forward(&hidden.0, Input::Plain, None)?)
    }
}

impl Hidden {
    /// Some of the rows, in this order.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn rows(&self, rows: &[usize]) -> Result<Self, ModelError> {
        let index: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        let index = Tensor::from_vec(index, rows.len(), self.0.device())?;
        Ok(Self(self.0.index_select(&index, 0)?))
    }
}

/// Reads parts of a checkpoint and checks their shapes.
struct Loader<'a> {
    weights: &'a mut dyn Weights,
    options: &'a ModelOptions,
    config: &'a ModelConfig,
    arena: Arena,
}

impl Loader<'_> {
    fn layer(&mut self, layer: usize) -> Result<Layer, ModelError> {
        let part = |part| Part::Layer(layer, part);
        let ModelConfig { hidden, heads, kv_heads, head_dim, .. } = *self.config;
        let qkv = [
            (part(LayerPart::Query), heads * head_dim),
            (part(LayerPart::Key), kv_heads * head_dim),
            (part(LayerPart::Value), kv_heads * head_dim),
        ];
        Ok(Layer {
            attention_norm: self.norm(part(LayerPart::AttentionNorm))?,
            qkv: self.linear(&qkv, hidden)?,
            attention_output: self.linear(&[(part(LayerPart::AttentionOutput), hidden)], heads * head_dim)?,
            feed_forward_norm: self.norm(part(LayerPart::FeedForwardNorm))?,
            feed_forward: self.feed_forward(layer)?,
        })
    }

    fn norm(&mut self, part: Part) -> Result<RmsNorm, ModelError> {
        let weight = self.weights.vector(part, false)?;
        self.expect(part, &[weight.len()], &[self.config.hidden])?;
        let weight = Tensor::from_vec(weight, self.config.hidden, &self.options.device)?;
        Ok(RmsNorm::new(weight, self.config.norm_eps)?)
    }

    /// The parts, each with its number of outputs, stacked into one matrix of `inputs` columns.
    fn linear(&mut self, parts: &[(Part, usize)], inputs: usize) -> Result<Linear, ModelError> {
        let (matrices, bias) = self.read(parts, inputs)?;
        if !self.options.device.is_cpu() {
            return self.dense(matrices, bias);
        }
        let weights = Arc::new(pack(&mut self.arena, &matrices, &Order::stacked(&matrices), self.options.dtype));
        Ok(Linear::Packed { weights, bias: bias.map(Into::into), pool: Arc::clone(&self.options.pool) })
    }

    fn feed_forward(&mut self, layer: usize) -> Result<FeedForward, ModelError> {
        let ModelConfig { hidden, intermediate: width, .. } = *self.config;
        let parts = [LayerPart::Gate, LayerPart::Up].map(|part| (Part::Layer(layer, part), width));
        let (matrices, bias) = self.read(&parts, hidden)?;
        let down = [(Part::Layer(layer, LayerPart::Down), hidden)];
        if !self.options.device.is_cpu() {
            return Ok(FeedForward::Dense { gate_up: self.dense(matrices, bias)?, down: self.linear(&down, width)? });
        }
        let order = Order::gated(&matrices);
        let gate_up_bias = bias.map(|bias| {
            let mut ordered = vec![0.0; order.outputs];
            for (i, value) in bias.into_iter().enumerate() {
                ordered[FeedForward::place(i / width, i % width)] = value;
            }
            ordered.into()
        });
        let gate_up = Arc::new(pack(&mut self.arena, &matrices, &order, self.options.dtype));
        let (down, down_bias) = self.read(&down, width)?;
        let down = Arc::new(pack(&mut self.arena, &down, &Order::stacked(&down), self.options.dtype));
        let (down_bias, pool) = (down_bias.map(Into::into), Arc::clone(&self.options.pool));
        Ok(FeedForward::Packed { gate_up, gate_up_bias, down, down_bias, pool })
    }

    /// Matrices of these numbers of outputs, and their biases one after the other if they have any.
    fn read(&mut self, parts: &[(Part, usize)], inputs: usize) -> Result<(Vec<Matrix>, Option<Vec<f32>>), ModelError> {
        let (mut matrices, mut bias): (Vec<Matrix>, Vec<f32>) = (Vec::new(), Vec::new());
        for &(part, outputs) in parts {
            let matrix = self.weights.matrix(part)?;
            self.expect(part, &[matrix.outputs, matrix.inputs], &[outputs, inputs])?;
            matrices.push(matrix);
            if self.weights.has(part, true) {
                let values = self.weights.vector(part, true)?;
                self.expect(part, &[values.len()], &[outputs])?;
                bias.extend(values);
            }
        }
        let outputs: usize = parts.iter().map(|(_, outputs)| outputs).sum();
        if !bias.is_empty() && bias.len() != outputs {
            self.expect(parts[0].0, &[bias.len()], &[outputs])?;
        }
        Ok((matrices, (!bias.is_empty()).then_some(bias)))
    }

    /// The matrices stacked, in single precision on the device.
    fn dense(&self, matrices: Vec<Matrix>, bias: Option<Vec<f32>>) -> Result<Linear, ModelError> {
        let (outputs, inputs) = (matrices.iter().map(|m| m.outputs).sum::<usize>(), matrices[0].inputs);
        let values: Vec<f32> = matrices.into_iter().flat_map(Matrix::into_single).collect();
        let weight = Tensor::from_vec(values, (outputs, inputs), &self.options.device)?;
        let bias = bias.map(|b| Tensor::from_vec(b, outputs, &self.options.device)).transpose()?;
        Ok(Linear::Dense { weight, bias })
    }

    fn expect(&self, part: Part, found: &[usize], wanted: &[usize]) -> Result<(), ModelError> {
        if found == wanted {
            return Ok(());
        }
        let message = format!("{part:?} has shape {found:?}; the configuration says {wanted:?}");
        Err(ModelError::weights(self.weights.path(), message))
    }
}
