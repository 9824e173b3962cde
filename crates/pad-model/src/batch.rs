//! The ragged batch as the model takes it.

use pad_kernels::{BatchView, Rope, Segment};

use crate::ModelError;

/// Consecutive tokens of one lane.
#[derive(Clone, Debug)]
pub struct LaneChunk<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// Position of the first of them in the lane.
    pub start: usize,
    /// The lane's KV blocks from position 0 on.
    pub blocks: &'a [u32],
    /// Whether the hidden state of the last token is read.
    pub read: bool,
}

/// Rows of different lanes at different positions, for one set of weights.
#[derive(Debug)]
pub struct Batch {
    pub(crate) tokens: Vec<u32>,
    pub(crate) view: BatchView,
    pub(crate) read: Vec<u32>,
}

impl Batch {
    /// Put chunks together; their rows follow in order.
    ///
    /// # Errors
    /// If there are no rows, or a chunk has too few blocks.
    pub(crate) fn new(chunks: &[LaneChunk<'_>], rope: &Rope) -> Result<Self, ModelError> {
        let (mut tokens, mut read, mut segments) = (Vec::new(), Vec::new(), Vec::with_capacity(chunks.len()));
        for chunk in chunks.iter().filter(|chunk| !chunk.tokens.is_empty()) {
            tokens.extend_from_slice(chunk.tokens);
            if chunk.read {
                read.push(tokens.len() as u32 - 1);
            }
            segments.push(Segment { start: chunk.start, rows: chunk.tokens.len(), blocks: chunk.blocks.to_vec() });
        }
        if tokens.is_empty() {
            return Err(ModelError::Batch("it has no rows".to_owned()));
        }
        Ok(Self { tokens, view: BatchView::new(segments, rope)?, read })
    }
}
