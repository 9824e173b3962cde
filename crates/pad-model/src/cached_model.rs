//! A model on the CPU with its cache, its value heads and the states of a step.

use std::ops::Range;

use pad_kernels::{Logits, RowWanted};

use crate::{Hidden, KvCache, LaneChunk, LaneModel, Model, ModelConfig, ModelError, StateRead, ValueHead};

/// [`LaneModel`] by a [`Model`].
#[derive(Debug)]
pub struct CachedModel {
    model: Model,
    cache: KvCache,
    heads: Vec<ValueHead>,
    /// Those of the step that were read so far.
    states: Option<Hidden>,
}

impl CachedModel {
    /// A model with room for `kv_blocks` blocks.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn new(model: Model, heads: Vec<ValueHead>, kv_blocks: usize) -> Result<Self, ModelError> {
        let cache = model.kv_cache(kv_blocks)?;
        Ok(Self { model, cache, heads, states: None })
    }

    fn rows(&self, states: &[usize]) -> Result<Hidden, ModelError> {
        let there = self.states.as_ref().ok_or_else(|| ModelError::Batch("no hidden states were read".to_owned()))?;
        there.rows(states)
    }

    /// What the unembedding reads of these states.
    fn through_head(&self, head: Option<usize>, states: &[usize]) -> Result<Hidden, ModelError> {
        let rows = self.rows(states)?;
        let Some(id) = head else { return Ok(rows) };
        let unknown = || ModelError::Batch(format!("there is no value head {id}"));
        rows.through(self.heads.get(id).ok_or_else(unknown)?)
    }
}

impl LaneModel for CachedModel {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn kv_blocks(&self) -> usize {
        self.cache.blocks()
    }

    fn row_layers(&self, chunk: &LaneChunk<'_>) -> usize {
        self.model.row_layers(chunk)
    }

    fn run(&mut self, chunks: &[LaneChunk<'_>]) -> Result<(), ModelError> {
        self.states = None;
        if chunks.iter().any(|chunk| !chunk.tokens.is_empty()) {
            self.states = Some(self.model.forward(chunks, &self.cache)?);
        }
        Ok(())
    }

    fn run_more(&mut self, copies: &[(u32, u32)], chunks: &[LaneChunk<'_>]) -> Result<usize, ModelError> {
        self.cache.copy(copies)?;
        let more = self.model.forward(chunks, &self.cache)?;
        let (first, states) = match self.states.take() {
            None => (0, more),
            Some(there) => (there.0.dim(0)?, Hidden::join(&[there, more])?),
        };
        self.states = Some(states);
        Ok(first)
    }

    /// Through whatever heads: the unembedding is gone through once.
    fn logits(&mut self, reads: &[StateRead]) -> Result<Vec<Logits>, ModelError> {
        let mut left: Vec<usize> = (0..reads.len()).collect();
        let (mut order, mut hidden) = (Vec::with_capacity(left.len()), Vec::new());
        while let Some(&first) = left.first() {
            let head = reads[first].head;
            let (group, rest): (Vec<usize>, Vec<usize>) = left.iter().partition(|i| reads[**i].head == head);
            let states: Vec<usize> = group.iter().map(|i| reads[*i].state).collect();
            hidden.push(self.through_head(head, &states)?);
            order.extend(group);
            left = rest;
        }
        if order.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<RowWanted> = order.iter().map(|i| reads[*i].wanted.clone()).collect();
        let read = self.model.logits(&Hidden::join(&hidden)?, &wanted)?;
        let mut logits: Vec<Option<Logits>> = vec![None; reads.len()];
        order.into_iter().zip(read).for_each(|(i, read)| logits[i] = Some(read));
        Ok(logits.into_iter().flatten().collect())
    }

    fn states(&mut self, states: Range<usize>) -> Result<Vec<Vec<f32>>, ModelError> {
        self.rows(&states.collect::<Vec<_>>())?.values()
    }
}
