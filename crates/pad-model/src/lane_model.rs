//! What decoding needs of a set of weights, wherever they are.

use std::fmt::Debug;
use std::ops::Range;

use pad_kernels::{Logits, RowWanted, Wanted};

use crate::{LaneChunk, ModelConfig, ModelError};

/// Logits that are read of a hidden state.
#[derive(Clone, Debug)]
pub struct StateRead {
    /// The state, by its number in the step.
    pub state: usize,
    /// The value head that it goes through, by its number; none: it is read as it is.
    pub head: Option<usize>,
    /// What is read.
    pub wanted: RowWanted,
}

/// Logits of a state at the tokens that a [`StateRead`] finds best.
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// The state, by its number in the step.
    pub state: usize,
    /// As [`StateRead::head`].
    pub head: Option<usize>,
    /// The read, by its number among those that are asked together with it; one of the best tokens.
    pub of: usize,
    /// Whether log sum exp of all the state's logits is read too.
    pub log_sum_exp: bool,
}

/// A model with its KV cache and its value heads. It keeps the hidden states of one step, and numbers them from 0 on.
pub trait LaneModel: Send + Debug {
    /// The model's shape.
    fn config(&self) -> &ModelConfig;

    /// Blocks of its KV cache.
    fn kv_blocks(&self) -> usize;

    /// The work of a chunk: its rows times the layers that are computed for each.
    fn row_layers(&self, chunk: &LaneChunk<'_>) -> usize;

    /// Begins a step: the states of the last one are forgotten, the chunks' keys and values go into the cache, and the states that are to
    /// be read are kept, in the order of the chunks. Nothing is run where no chunk has tokens.
    ///
    /// # Errors
    /// If a token, a position or a block is out of range, or an operation fails.
    fn run(&mut self, chunks: &[LaneChunk<'_>]) -> Result<(), ModelError>;

    /// Goes on with the step: copies KV blocks, each `.0` to `.1`, and runs more chunks; their states follow those that are there. Returns
    /// the number of the first.
    ///
    /// # Errors
    /// As for [`Self::run`].
    fn run_more(&mut self, copies: &[(u32, u32)], chunks: &[LaneChunk<'_>]) -> Result<usize, ModelError>;

    /// What is wanted of states; all is read together.
    ///
    /// # Errors
    /// If a state, a head or a token does not exist, or an operation fails.
    fn logits(&mut self, reads: &[StateRead]) -> Result<Vec<Logits>, ModelError>;

    /// Whether [`Self::logits_at_best`] costs less than reading twice.
    fn follows(&self) -> bool {
        false
    }

    /// [`Self::logits`] of reads, and what their followers find at the tokens of those, as many and in the same order.
    ///
    /// # Errors
    /// As for [`Self::logits`].
    fn logits_at_best(
        &mut self,
        reads: &[StateRead],
        followers: &[Follower],
    ) -> Result<(Vec<Logits>, Vec<Logits>), ModelError> {
        let found = self.logits(reads)?;
        let at = |follower: &Follower| {
            let tokens = found[follower.of].ranked.iter().map(|ranked| ranked.token).collect();
            let wanted = RowWanted { logits: Wanted::At(tokens), log_sum_exp: follower.log_sum_exp };
            StateRead { state: follower.state, head: follower.head, wanted }
        };
        let followers = self.logits(&followers.iter().map(at).collect::<Vec<_>>())?;
        Ok((found, followers))
    }

    /// States themselves, `[states][hidden]`.
    ///
    /// # Errors
    /// If one does not exist, or they cannot be copied from where they are.
    fn states(&mut self, states: Range<usize>) -> Result<Vec<Vec<f32>>, ModelError>;
}
