//! A model on a device with its cache, its value heads and the states of a step.

use std::ops::Range;

use pad_kernels::device::Address;
use pad_model::{Follower, LaneChunk, LaneModel, Logits, ModelConfig, ModelError, StateRead, ValueHead};

use crate::DeviceModel;
use crate::heads::Heads;
use crate::queue::Room;
use crate::reading::{Reading, Unembedding};

/// [`LaneModel`] by a [`DeviceModel`].
#[derive(Debug)]
pub struct DeviceLanes {
    model: DeviceModel,
    heads: Heads,
    /// By layers.
    caches: Vec<Address>,
    kv_blocks: usize,
    /// `[count, hidden]`, those of the step.
    states: Room,
    count: usize,
    reading: Reading,
}

impl DeviceLanes {
    /// A model with value heads and room for so many blocks.
    ///
    /// # Errors
    /// If the device has not that much memory.
    pub fn new(mut model: DeviceModel, heads: &[ValueHead], kv_blocks: usize) -> Result<Self, ModelError> {
        let (layers, hidden) = (model.config().layers, model.config().hidden);
        let heads = Heads::new(&mut model.queue, heads, hidden)?;
        let bytes = kv_blocks * model.block_bytes();
        let caches = (0..layers).map(|_| model.queue.allocate(bytes)).collect::<Result<_, _>>()?;
        Ok(Self { model, heads, caches, kv_blocks, states: Room::default(), count: 0, reading: Reading::default() })
    }

    fn advance(&mut self, chunks: &[LaneChunk<'_>]) -> Result<(), ModelError> {
        let Self { model, heads, caches, kv_blocks, states, .. } = self;
        self.count = model.forward(chunks, (caches, *kv_blocks), heads, (states, self.count))?;
        Ok(())
    }
}

impl LaneModel for DeviceLanes {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn kv_blocks(&self) -> usize {
        self.kv_blocks
    }

    fn row_layers(&self, chunk: &LaneChunk<'_>) -> usize {
        self.model.row_layers(chunk)
    }

    fn run(&mut self, chunks: &[LaneChunk<'_>]) -> Result<(), ModelError> {
        self.count = 0;
        if chunks.iter().any(|chunk| !chunk.tokens.is_empty()) { self.advance(chunks) } else { Ok(()) }
    }

    fn run_more(&mut self, copies: &[(u32, u32)], chunks: &[LaneChunk<'_>]) -> Result<usize, ModelError> {
        let (first, bytes) = (self.count, self.model.block_bytes());
        if let Some((from, to)) = copies.iter().find(|(from, to)| *from.max(to) as usize >= self.kv_blocks) {
            let message = format!("KV blocks {from} and {to} of a cache of {} blocks", self.kv_blocks);
            return Err(ModelError::Batch(message));
        }
        for cache in &self.caches {
            for (from, to) in copies {
                let at = |block: u32| cache.plus(block as usize * bytes);
                self.model.queue.copy(at(*from), at(*to), bytes)?;
            }
        }
        self.advance(chunks)?;
        Ok(first)
    }

    fn logits(&mut self, reads: &[StateRead]) -> Result<Vec<Logits>, ModelError> {
        Ok(self.logits_at_best(reads, &[])?.0)
    }

    fn follows(&self) -> bool {
        true
    }

    fn logits_at_best(
        &mut self,
        reads: &[StateRead],
        followers: &[Follower],
    ) -> Result<(Vec<Logits>, Vec<Logits>), ModelError> {
        let (model, states) = (&mut self.model, (self.states.address(), self.count));
        let (queue, matrix, cap) = model.reading();
        let unembedding = Unembedding { matrix, cap, heads: &self.heads };
        let mut found = self.reading.logits(queue, unembedding, states, (reads, followers))?;
        let followers = found.split_off(reads.len());
        Ok((found, followers))
    }

    fn states(&mut self, states: Range<usize>) -> Result<Vec<Vec<f32>>, ModelError> {
        let hidden = self.model.config().hidden;
        if states.end > self.count {
            return Err(ModelError::Batch(format!("states {states:?} of {}", self.count)));
        }
        let from = self.states.address().plus(4 * states.start * hidden);
        let values = self.model.queue.read_numbers(from, states.len() * hidden)?;
        Ok(values.chunks_exact(hidden).map(<[f32]>::to_vec).collect())
    }
}
