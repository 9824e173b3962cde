//! The ragged batch as the model takes it.

use std::ops::Range;

use pad_kernels::{BatchView, Rope, Segment};

use crate::{ModelError, Strength};

/// Consecutive tokens of one lane.
#[derive(Clone, Debug)]
pub struct LaneChunk<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// Position of the first of them in the lane.
    pub start: usize,
    /// The lane's KV blocks from position 0 on.
    pub blocks: &'a [u32],
    /// Number of tokens, the last ones, whose hidden states are read.
    pub read: usize,
    /// The adapter or control vector that its rows run through, by order of [`crate::Model::add_adapter`].
    pub adapter: Option<usize>,
    /// What a control vector is multiplied by, or the weights of a bilinear adapter; other adapters are added as they are.
    pub strength: Strength,
    /// The chunk, by index, from which its rows branch off at the adapter's first layer: one without adapter, of the same tokens
    /// at the same positions. Then only the layers from there on are computed, and used of its KV blocks.
    pub trunk: Option<usize>,
}

impl<'a> LaneChunk<'a> {
    /// A chunk through the model's own weights whose last `read` hidden states are read.
    pub fn new(tokens: &'a [u32], start: usize, blocks: &'a [u32], read: usize) -> Self {
        Self { tokens, start, blocks, read, adapter: None, strength: Strength::ONE, trunk: None }
    }

    /// Refuses a lane that is longer than the context, or has a block outside of a cache of so many.
    ///
    /// # Errors
    /// If it is so.
    pub fn check(&self, context: usize, kv_blocks: usize) -> Result<(), ModelError> {
        let end = self.start + self.tokens.len();
        if end > context {
            return Err(ModelError::Batch(format!("a lane of {end} tokens, but the context is {context}")));
        }
        match self.blocks.iter().find(|block| **block as usize >= kv_blocks) {
            Some(block) => Err(ModelError::Batch(format!("KV block {block} is outside a cache of {kv_blocks} blocks"))),
            None => Ok(()),
        }
    }

    /// Its work in a model of so many layers: its rows times the layers that are computed for each, those from the adapter's first on where
    /// it branches off; `first_layer` gives that of an adapter.
    pub fn row_layers(&self, layers: usize, first_layer: impl Fn(usize) -> Option<usize>) -> usize {
        let below = self.trunk.and(self.adapter).and_then(first_layer).unwrap_or(0);
        self.tokens.len() * layers.saturating_sub(below)
    }
}

/// The rows that are in the batch from one layer on.
#[derive(Debug)]
pub struct Stage {
    /// The layer.
    pub first_layer: usize,
    /// All rows that are in the batch by then.
    pub view: BatchView,
    /// The rows of the stage before that new rows branch off from, behind all others. Empty in the first stage.
    pub joining: Vec<u32>,
    /// Rows of each adapter, in order; together the last rows of the batch.
    pub spans: Vec<AdapterRows>,
}

/// Consecutive rows that run through the same adapter at the same strength.
#[derive(Clone, Debug)]
pub struct AdapterRows {
    /// The adapter.
    pub adapter: usize,
    /// What its parts are multiplied by.
    pub strength: Strength,
    /// The rows.
    pub rows: Range<usize>,
}

/// Rows of different lanes at different positions, for one set of weights: rows without adapter first, then those with one, then
/// those that join later.
#[derive(Debug)]
pub struct Batch {
    /// The tokens of the first stage's rows.
    pub tokens: Vec<u32>,
    /// In order of their layers, the first from layer 0 on.
    pub stages: Vec<Stage>,
    /// The rows that are read, in the order of the chunks.
    pub read: Vec<u32>,
}

impl Batch {
    /// Assembles a batch from chunks; `first_layer` gives the first layer of an adapter at a strength, or refuses them.
    ///
    /// # Errors
    /// If there are no rows, a chunk has too few blocks, or an adapter, a strength or a trunk is not what it must be.
    pub fn new(
        chunks: &[LaneChunk<'_>],
        ropes: &[Rope],
        first_layer: impl Fn(usize, &Strength) -> Result<usize, ModelError>,
    ) -> Result<Self, ModelError> {
        let refuse = |message: String| Err(ModelError::Batch(message));
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(chunks.len());
        for (i, chunk) in chunks.iter().enumerate().filter(|(_, chunk)| !chunk.tokens.is_empty()) {
            let begins = match chunk.adapter {
                None => 0,
                Some(adapter) => first_layer(adapter, &chunk.strength)?,
            };
            let twin = |trunk: &LaneChunk<'_>| {
                trunk.adapter.is_none() && trunk.start == chunk.start && trunk.tokens == chunk.tokens
            };
            match chunk.trunk {
                Some(trunk) if chunk.adapter.is_none() || !chunks.get(trunk).is_some_and(twin) => {
                    return refuse(format!("chunk {i} cannot branch off from chunk {trunk}"));
                }
                Some(_) => order.push((i, begins)),
                None => order.push((i, 0)),
            }
        }
        // Rows that join at layer 0 are copied as well: one way for all.
        let joins = |i: usize| chunks[i].trunk.is_some();
        order.sort_by_key(|&(i, begins)| (joins(i), begins, chunks[i].adapter, &chunks[i].strength, i));
        let mut batch = Self { tokens: Vec::new(), stages: Vec::new(), read: Vec::new() };
        let (mut starts, mut rows, mut segments) = (vec![0; chunks.len()], 0, Vec::with_capacity(order.len()));
        let mut spans: Vec<AdapterRows> = Vec::new();
        let mut joining = Vec::new();
        for (at, &(i, begins)) in order.iter().enumerate() {
            let chunk = &chunks[i];
            let count = chunk.tokens.len();
            starts[i] = rows;
            match chunk.trunk {
                None => batch.tokens.extend_from_slice(chunk.tokens),
                Some(trunk) => joining.extend((starts[trunk]..starts[trunk] + count).map(|row| row as u32)),
            }
            if let Some(adapter) = chunk.adapter {
                let strength = &chunk.strength;
                let same = |last: &&mut AdapterRows| last.adapter == adapter && last.strength == *strength;
                match spans.last_mut().filter(same) {
                    Some(last) => last.rows.end += count,
                    None => spans.push(AdapterRows { adapter, strength: strength.clone(), rows: rows..rows + count }),
                }
            }
            rows += count;
            segments.push(Segment { start: chunk.start, rows: count, blocks: chunk.blocks.to_vec() });
            let next = order.get(at + 1).map(|&(next, begins)| (joins(next), begins));
            if next != Some((joins(i), begins)) && (next.is_none_or(|(joins, _)| joins)) {
                batch.stages.push(Stage {
                    first_layer: begins,
                    view: BatchView::new(segments.clone(), ropes)?,
                    joining: std::mem::take(&mut joining),
                    spans: spans.clone(),
                });
            }
        }
        if batch.tokens.is_empty() {
            return refuse("it has no rows".to_owned());
        }
        for (chunk, start) in chunks.iter().zip(&starts) {
            let end = start + chunk.tokens.len();
            batch.read.extend((end - chunk.read.min(chunk.tokens.len())..end).map(|row| row as u32));
        }
        Ok(batch)
    }
}
