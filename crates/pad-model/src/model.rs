//! The transformer: `tokens -> hidden states -> logits where requested`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use pad_kernels::{Input, KvFormat, Linear, Logits, Pool, RmsNorm, Rope, Rounding, RowWanted};

use crate::batch::AdapterRows;
use crate::config::RopeConfig;
use crate::embedding::Embedding;
use crate::layer::Layer;
use crate::loader::Loader;
use crate::{Adapter, Batch, KvCache, LaneChunk, ModelConfig, ModelError, ModelOptions, Part, ValueHead, Weights};

/// A loaded model.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    kv_format: KvFormat,
    device: Device,
    pool: Arc<Pool>,
    ropes: Vec<Rope>,
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    unembedding: Linear,
    adapters: Vec<Adapter>,
    rounding: Rounding,
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
        Self::load_watched(weights, options, |_| {})
    }

    /// Load from an open checkpoint; `watch` is told how many of the layers are loaded, after each of them. The embeddings follow.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_watched(
        weights: &mut dyn Weights,
        options: &ModelOptions,
        mut watch: impl FnMut(usize),
    ) -> Result<Self, ModelError> {
        let config = weights.config().clone();
        let mut loader = Loader::new(weights, options, &config);
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            layers.push(loader.layer(i)?);
            watch(layers.len());
        }
        let norm = loader.norm(Part::OutputNorm)?;
        let embeddings = loader.embeddings(Part::Embedding)?;
        let embedding = Embedding::of(&embeddings);
        let unembedding =
            if loader.has(Part::Unembedding) { loader.embeddings(Part::Unembedding)? } else { embeddings };
        loader.check_all_read()?;
        let rounding = loader.rounding();
        let ropes = config.ropes.iter().map(RopeConfig::rope).collect();
        let (device, pool) = (options.device.clone(), Arc::clone(&options.pool));
        Ok(Self {
            config,
            kv_format: options.kv_dtype.format(options.dtype, &options.device),
            device,
            pool,
            ropes,
            embedding,
            layers,
            norm,
            unembedding,
            adapters: Vec::new(),
            rounding,
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

    /// What rounding did to its weights when they were loaded.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A KV cache of `blocks` blocks for this model.
    ///
    /// # Errors
    /// If the device has not that much memory.
    pub fn kv_cache(&self, blocks: usize) -> Result<KvCache, ModelError> {
        KvCache::new(&self.config, self.kv_format, &self.device, blocks)
    }

    /// Bytes of its KV cache per position, all layers together.
    pub fn kv_bytes_per_position(&self) -> usize {
        self.config.layers * self.kv_format.position_bytes(self.config.kv_layout())
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
        chunks.iter().try_for_each(|chunk| chunk.check(self.config.context, cache.blocks()))?;
        let batch = Batch::new(chunks, &self.ropes, |adapter, strength| {
            let known = self.adapters.get(adapter).ok_or_else(|| ModelError::no_adapter(adapter))?;
            known.check(strength)?;
            Ok(known.first_layer())
        })?;
        let layout = self.config.kv_layout();
        let mut x = self.embedding.forward(&batch.tokens, self.config.embedding_scale)?;
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
            let adapted = |span: &AdapterRows| {
                let layer = self.adapters[span.adapter].layer(i).filter(|layer| layer.has_matrices());
                layer.map(|layer| (span.rows.clone(), layer.at(&span.strength)))
            };
            let adapters: Vec<_> = stage.spans.iter().filter_map(adapted).collect();
            x = layer.forward(&x, cache, layout, &stage.view, &adapters, &self.pool)?;
            for AdapterRows { adapter, strength, rows } in &stage.spans {
                if let Some(direction) = self.adapters[*adapter].layer(i).and_then(|layer| layer.direction.as_ref()) {
                    x = moved(&x, rows, &(direction * f64::from(strength.value()))?)?;
                }
            }
        }
        let read = Tensor::from_slice(&batch.read, batch.read.len(), &self.device)?;
        if batch.read.is_empty() {
            return Ok(Hidden(Tensor::zeros((0, self.config.hidden), x.dtype(), &self.device)?));
        }
        Ok(Hidden(self.norm.forward(&x.index_select(&read, 0)?)?))
    }

    /// The work of a chunk ([`LaneChunk::row_layers`]).
    pub fn row_layers(&self, chunk: &LaneChunk<'_>) -> usize {
        chunk.row_layers(self.layers.len(), |adapter| self.adapters.get(adapter).map(Adapter::first_layer))
    }

    /// Read logits of hidden states: one entry of `wanted` a row.
    ///
    /// # Errors
    /// If the number of rows differs or a token does not exist.
    pub fn logits(&self, hidden: &Hidden, wanted: &[RowWanted]) -> Result<Vec<Logits>, ModelError> {
        Ok(self.unembedding.logits(&hidden.0, self.config.logit_cap, wanted)?)
    }
}

/// `x` `[rows, hidden]` with `by` `[1, hidden]` added to some of its rows.
fn moved(x: &Tensor, rows: &Range<usize>, by: &Tensor) -> candle_core::Result<Tensor> {
    let parts = [0..rows.start, rows.clone(), rows.end..x.dim(0)?];
    let part = |(at, part): (usize, Range<usize>)| {
        let part = x.narrow(0, part.start, part.len())?;
        if at == 1 { part.broadcast_add(by) } else { Ok(part) }
    };
    let parts = parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty()).map(part);
    Tensor::cat(&parts.collect::<candle_core::Result<Vec<_>>>()?, 0)
}

impl Model {
    /// All logits of hidden states, `[rows, vocabulary]`: for measuring; decoding reads fewer by [`Self::logits`].
    ///
    /// # Errors
    /// If an operation fails.
    pub fn all_logits(&self, hidden: &Hidden) -> Result<Tensor, ModelError> {
        let logits = self.unembedding.forward(&hidden.0, Input::Plain, None)?;
        match self.config.logit_cap.map(f64::from) {
            None => Ok(logits),
            Some(cap) => Ok(((logits / cap)?.tanh()? * cap)?),
        }
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

    /// The numbers themselves, `[rows][hidden]`.
    ///
    /// # Errors
    /// If they cannot be copied from the device.
    pub fn values(&self) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(self.0.to_dtype(DType::F32)?.to_vec2()?)
    }

    /// What a value head makes of them, for the unembedding to read.
    ///
    /// # Errors
    /// If the head is of another size.
    pub fn through(&self, head: &ValueHead) -> Result<Self, ModelError> {
        Ok(Self(head.forward(&self.0)?))
    }

    /// The rows of all of these, of which there is at least one.
    ///
    /// # Errors
    /// If there is none, or they differ in size.
    pub fn join(parts: &[Self]) -> Result<Self, ModelError> {
        match parts {
            [one] => Ok(one.clone()),
            parts => Ok(Self(Tensor::cat(&parts.iter().map(|part| &part.0).collect::<Vec<_>>(), 0)?)),
        }
    }
}
