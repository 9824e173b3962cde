//! The weights of a model on a device.

use pad_kernels::device::{Address, CellType, EmbeddingLaunch, Executor};
use pad_model::{Adapter, AdapterRows, Batch, Dtype, LaneChunk, ModelConfig, ModelError, Part, Weights};

use crate::activations::Activations;
use crate::adapter::DeviceAdapter;
use crate::attention::Rotations;
use crate::heads::{Gather, Heads};
use crate::layer::DeviceLayer;
use crate::loader::Loader;
use crate::matrix::DeviceMatrix;
use crate::queue::{Queue, Room};
use crate::shape::{Norm, Shape};
use crate::step_rows::{StepRows, check};
use crate::upload::words_on;

/// A loaded model.
#[derive(Debug)]
pub struct DeviceModel {
    pub(crate) queue: Queue,
    config: ModelConfig,
    shape: Shape,
    rotations: Vec<Rotations>,
    embedding: DeviceMatrix,
    layers: Vec<DeviceLayer>,
    norm: Norm,
    /// None: the embeddings.
    unembedding: Option<DeviceMatrix>,
    adapters: Vec<DeviceAdapter>,
    activations: Activations,
    /// Numbers that a step needs.
    numbers: Room,
}

impl DeviceModel {
    /// Loads an open checkpoint through a queue of the device's ([`crate::Device::queue`]); `watch` is told how many of the layers are
    /// loaded, after each of them.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape than the configuration says, the model is not supported here, or the device has not
    /// that much memory.
    pub fn load(
        weights: &mut dyn Weights,
        executor: Box<dyn Executor>,
        dtype: Dtype,
        mut watch: impl FnMut(usize),
    ) -> Result<Self, ModelError> {
        let (config, mut queue) = (weights.config().clone(), Queue::new(executor));
        let mut loader = Loader { weights, queue: &mut queue, config: &config, dtype };
        if config.experts.is_some() {
            return loader.refuse("a mixture of experts; on a device only dense models are supported".to_owned());
        }
        if dtype == Dtype::Q4 {
            return loader
                .refuse("rounding to 4 bits needs the CPU; on a device weights stay as files have them".to_owned());
        }
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            layers.push(loader.layer(i)?);
            watch(layers.len());
        }
        let norm = loader.norm(Part::OutputNorm)?;
        let embedding = loader.matrix(&[Part::Embedding])?;
        let has_own = loader.weights.has_weight(Part::Unembedding);
        let unembedding = if has_own { Some(loader.matrix(&[Part::Unembedding])?) } else { None };
        if let Some(name) = loader.weights.unread() {
            return loader.refuse(format!("tensor {name}: not a part of this kind of model; its use is not supported"));
        }
        let rotations = config.ropes.iter().map(|rope| loader.rotations(rope)).collect::<Result<_, _>>()?;
        let shape = Shape {
            layout: config.kv_layout(),
            cell: if dtype == Dtype::F32 { CellType::F32 } else { CellType::F16 },
            hidden: config.hidden,
            width: config.intermediate,
            eps: config.norm_eps as f32,
            gate: config.gate,
        };
        let (adapters, activations, numbers) = (Vec::new(), Activations::default(), Room::default());
        Ok(Self {
            queue,
            config,
            shape,
            rotations,
            embedding,
            layers,
            norm,
            unembedding,
            adapters,
            activations,
            numbers,
        })
    }

    /// Takes in an adapter of this model's shape; returns what [`LaneChunk::adapter`] calls it.
    ///
    /// # Errors
    /// If it is bilinear, or the device has not that much memory.
    pub fn add_adapter(&mut self, adapter: &Adapter) -> Result<usize, ModelError> {
        if adapter.is_bilinear() {
            return Err(ModelError::Batch("a bilinear adapter needs the CPU".to_owned()));
        }
        self.adapters.push(DeviceAdapter::new(&mut self.queue, adapter, &self.config)?);
        Ok(self.adapters.len() - 1)
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Bytes of weights and adapters on the device.
    pub fn bytes(&self) -> usize {
        self.queue.held()
    }

    /// Bytes that are free on the device, if that is known.
    pub fn free(&mut self) -> Option<usize> {
        self.queue.free()
    }

    /// Bytes of a KV cache per position, all layers together.
    pub fn kv_bytes_per_position(&self) -> usize {
        self.config.layers * self.block_bytes() / pad_model::BLOCK
    }

    /// Bytes of a block of one layer's cache.
    pub(crate) fn block_bytes(&self) -> usize {
        self.shape.layout.block_len() * self.shape.cell.bytes()
    }

    /// The work of a chunk ([`LaneChunk::row_layers`]).
    pub(crate) fn row_layers(&self, chunk: &LaneChunk<'_>) -> usize {
        let first_layer = |adapter: usize| self.adapters.get(adapter).map(|adapter| adapter.first_layer);
        chunk.row_layers(self.layers.len(), first_layer)
    }

    /// What logits are read with: the queue, the matrix, and its soft cap.
    pub(crate) fn reading(&mut self) -> (&mut Queue, &DeviceMatrix, Option<f32>) {
        let matrix = self.unembedding.as_ref().unwrap_or(&self.embedding);
        (&mut self.queue, matrix, self.config.logit_cap)
    }

    /// Advances lanes: keys and values go into the caches, one for each layer, and the states that are to be read behind the `count` that
    /// are there. Returns how many there are then.
    pub(crate) fn forward(
        &mut self,
        chunks: &[LaneChunk<'_>],
        (caches, blocks): (&[Address], usize),
        heads: &Heads,
        (states, count): (&mut Room, usize),
    ) -> Result<usize, ModelError> {
        check(chunks, (self.config.context, self.config.vocabulary, blocks))?;
        let batch = Batch::new(chunks, &[], |adapter, _| {
            let known = self.adapters.get(adapter).ok_or_else(|| ModelError::no_adapter(adapter))?;
            Ok(known.first_layer)
        })?;
        let Self { queue, shape, activations, .. } = self;
        let step = StepRows::send(queue, &mut self.numbers, &batch, (shape.layout, shape.cell))?;
        let (hidden, most) = (shape.hidden, step.stages.last().map_or(0, |stage| stage.rows));
        let x = activations.x.of(queue, most * hidden)?;
        let (stored, weights) = self.embedding.rows();
        let (tokens, scale) = (step.tokens, self.config.embedding_scale);
        let embedding = EmbeddingLaunch { stored, weights, tokens, x, rows: batch.tokens.len(), hidden, scale };
        queue.run(&embedding.launch()?)?;
        let (mut stages, mut stage) = (step.stages.iter().peekable(), None);
        for (i, (layer, cache)) in self.layers.iter().zip(caches).enumerate() {
            while let Some(next) = stages.next_if(|stage| stage.first_layer == i) {
                if next.joining > 0 {
                    let to = words_on(x, (next.rows - next.joining) * hidden);
                    let (parts, targets, count) = (step.zeros, step.counted, next.joining);
                    let gather = Gather { from: x, to, rows: next.joined, parts, targets, count };
                    heads.gather(queue, &mut activations.product, &gather)?;
                }
                stage = Some(next);
            }
            let Some(stage) = stage else { break };
            let adapted = |span: &AdapterRows| Some((span.rows.clone(), self.adapters[span.adapter].layer(i)?));
            let adapted: Vec<_> = stage.spans.iter().filter_map(adapted).collect();
            layer.forward(queue, activations, shape, (&step, stage), (*cache, &self.rotations), &adapted)?;
        }
        let read = batch.read.len();
        let to = words_on(states.grown(queue, (count + read).max(1) * hidden, count * hidden)?, count * hidden);
        if read > 0 {
            let (parts, targets) = (step.zeros, step.counted);
            let gather = Gather { from: x, to, rows: step.read, parts, targets, count: read };
            heads.gather(queue, &mut activations.product, &gather)?;
            shape.norm(queue, self.norm, (to, Address::NONE, to), (read, 1, hidden))?;
        }
        Ok(count + read)
    }
}
