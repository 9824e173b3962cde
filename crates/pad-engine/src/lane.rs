//! A lane: one token stream through one model, and its place in the KV cache.

use std::sync::Arc;

use pad_decode::Bridge;
use pad_model::BLOCK;

use crate::block_pool::{BlockPool, Prefix};
use crate::far_side::FarSide;
use crate::{CacheScope, LaneRows, LaneSpec};

/// A lane of a sequence. All lanes of a sequence receive the same tokens in the same step, some of them over a bridge.
#[derive(Debug)]
pub struct Lane {
    spec: LaneSpec,
    /// The prompt and the tokens chosen so far.
    tokens: Vec<u32>,
    /// Where its model has tokens of its own.
    far_side: Option<FarSide>,
    /// Positions whose keys and values are in the cache.
    computed: usize,
    /// By position, from the first on; those left behind are others' now.
    blocks: Vec<u32>,
    /// Blocks at the beginning that no later row looks back on: they are given back.
    left: usize,
    /// Where its prefixes begin.
    root: Prefix,
    /// Full blocks that are registered, and the prefix that they end.
    registered: usize,
    prefix: Prefix,
}

impl Lane {
    /// A lane that has computed nothing, of its prompt and `answer`, which is in its own tokens.
    pub fn new(spec: LaneSpec, answer: &[u32], scope: CacheScope) -> Self {
        let (tokens, root) = ([&spec.prompt, answer].concat(), Prefix::Root(scope));
        Self {
            spec,
            tokens,
            far_side: None,
            computed: 0,
            blocks: Vec::new(),
            left: 0,
            root,
            registered: 0,
            prefix: root,
        }
    }

    /// The same where the chosen tokens come over a bridge; it has room for `most` tokens.
    #[must_use]
    pub fn across(self, bridge: Arc<dyn Bridge>, most: usize) -> Self {
        let far_side = FarSide::new(bridge, self.tokens.len(), most);
        Self { far_side: Some(far_side), ..self }
    }

    /// Whether its model has tokens of its own.
    pub fn is_across(&self) -> bool {
        self.far_side.is_some()
    }

    /// Rows, the last ones, whose hidden states a decision reads: those that predict what is not settled, and what comes next.
    pub fn decisive(&self) -> usize {
        self.far_side.as_ref().map_or(1, |far| self.tokens.len() + 1 - far.settled())
    }

    /// Whether it can decode in the next step. What a bridge changed may be computed in the step that decodes.
    pub fn is_ready(&self) -> bool {
        let late = if self.is_across() { BLOCK } else { 0 };
        self.pending() <= self.decisive() + late
    }

    /// Whether there is room for the tokens that it has.
    pub fn fits(&self) -> bool {
        self.far_side.as_ref().is_none_or(|far| self.tokens.len() <= far.most())
    }

    /// What the lane is.
    pub fn spec(&self) -> &LaneSpec {
        &self.spec
    }

    /// Tokens, the prompt included.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Tokens that are still to be run through the model.
    pub fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Tokens that blocks hold already, at most `limit`.
    pub fn known(&self, pool: &BlockPool, limit: usize) -> usize {
        pool.known(self.root, self.spec.adapter.as_ref(), &self.tokens, limit)
    }

    /// Hold the blocks that contain a prefix of its tokens already, of at most `limit` tokens.
    pub fn hold_known(&mut self, pool: &mut BlockPool, limit: usize) {
        debug_assert!(self.blocks.is_empty(), "a lane is admitted once");
        (self.blocks, self.prefix) = pool.find(self.root, self.spec.adapter.as_ref(), &self.tokens, limit);
        self.registered = self.blocks.len();
        self.computed = self.registered * BLOCK;
        self.leave_behind(pool);
    }

    /// Positions that are computed for good. Rows that a bridge has computed again write their blocks again, and look back from there: nobody
    /// else may hold those.
    fn stays(&self) -> usize {
        self.far_side.as_ref().map_or(self.computed, |far| self.computed.min(far.settled() - 1))
    }

    /// Give back the blocks that no later row looks back on.
    fn leave_behind(&mut self, pool: &mut BlockPool) {
        let Some(window) = pool.window() else { return };
        let first_seen = (self.stays() + 1).saturating_sub(window) / BLOCK;
        if first_seen > self.left {
            pool.release(&self.blocks[self.left..first_seen]);
            self.left = first_seen;
        }
    }

    /// Blocks that it holds.
    pub fn held(&self) -> usize {
        self.blocks.len() - self.left
    }

    /// Blocks that it lacks to have one for every token.
    pub fn lacking(&self) -> usize {
        self.tokens.len().div_ceil(BLOCK).saturating_sub(self.blocks.len())
    }

    /// Allocate blocks until every token has one; false if there is no room (blocks taken so far stay).
    pub fn grow(&mut self, pool: &mut BlockPool) -> bool {
        while self.blocks.len() * BLOCK < self.tokens.len() {
            match pool.allocate() {
                Some(block) => self.blocks.push(block),
                None => return false,
            }
        }
        true
    }

    /// Give all blocks back; everything has to be computed again.
    pub fn free(&mut self, pool: &mut BlockPool) {
        // Those that were left behind first are given back last once more: the beginning of a prefix is worth more than its end.
        let (behind, _) = pool.find(self.root, self.spec.adapter.as_ref(), &self.tokens, self.left * BLOCK);
        if behind.len() == self.left {
            pool.release(&self.blocks[self.left..]);
        } else {
            pool.discard(&self.blocks[self.left..]);
        }
        pool.release(&behind);
        self.blocks.clear();
        (self.computed, self.left, self.registered, self.prefix) = (0, 0, 0, self.root);
    }

    /// Positions that are computed.
    pub fn computed(&self) -> usize {
        self.computed
    }

    /// The next `count` pending rows; `base` is where the base lane's are in the plan, and `reward` tells whether it is another one.
    pub fn rows(&self, count: usize, base: usize, reward: bool) -> LaneRows {
        let end = self.computed + count;
        LaneRows {
            reward,
            weights: self.spec.weights,
            adapter: self.spec.adapter.as_ref().map(|adaptation| (adaptation.adapter, adaptation.strength.clone())),
            trunk: self.spec.branches().then_some(base),
            tokens: self.tokens[self.computed..end].to_vec(),
            start: self.computed,
            blocks: self.blocks[..end.div_ceil(BLOCK)].to_vec(),
            open: self.far_side.as_ref().map(|far| far.open(self.tokens.len())),
        }
    }

    /// The next `count` rows are computed: blocks that became full can be found by others from now on.
    pub fn advance(&mut self, count: usize, pool: &mut BlockPool) {
        self.computed += count;
        let stays = self.stays();
        while (self.registered + 1) * BLOCK <= stays {
            let start = self.registered * BLOCK;
            let Ok(tokens) = self.tokens[start..start + BLOCK].try_into() else { break };
            self.prefix = pool.register(self.prefix, self.spec.adapter.as_ref(), tokens, self.blocks[self.registered]);
            self.registered += 1;
        }
        self.leave_behind(pool);
    }

    /// A token was chosen.
    pub fn push(&mut self, token: u32) {
        match &mut self.far_side {
            None => self.tokens.push(token),
            Some(far) => self.computed = self.computed.min(far.follow(token, &mut self.tokens)),
        }
    }
}
