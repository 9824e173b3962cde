//! A lane: one token stream through one model, and its place in the KV cache.

use pad_model::BLOCK;

use crate::block_pool::{BlockPool, Prefix};
use crate::{CacheScope, LaneRows, LaneSpec};

/// A lane of a sequence. All lanes of a sequence receive the same tokens in the same step.
#[derive(Debug)]
pub struct Lane {
    spec: LaneSpec,
    /// The prompt and the tokens chosen so far.
    tokens: Vec<u32>,
    /// Positions whose keys and values are in the cache.
    computed: usize,
    blocks: Vec<u32>,
    /// Where its prefixes begin.
    root: Prefix,
    /// Full blocks that are registered, and the prefix that they end.
    registered: usize,
    prefix: Prefix,
}

impl Lane {
    /// A lane that has computed nothing, of its prompt and `answer`.
    pub fn new(spec: LaneSpec, answer: &[u32], scope: CacheScope) -> Self {
        let (tokens, root) = ([&spec.prompt, answer].concat(), Prefix::Root(scope));
        Self { spec, tokens, computed: 0, blocks: Vec::new(), root, registered: 0, prefix: root }
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
        pool.known(self.root, self.spec.adapter, &self.tokens, limit)
    }

    /// Hold the blocks that contain a prefix of its tokens already, of at most `limit` tokens.
    pub fn hold_known(&mut self, pool: &mut BlockPool, limit: usize) {
        debug_assert!(self.blocks.is_empty(), "a lane is admitted once");
        (self.blocks, self.prefix) = pool.find(self.root, self.spec.adapter, &self.tokens, limit);
        self.registered = self.blocks.len();
        self.computed = self.registered * BLOCK;
    }

    /// Blocks that it holds.
    pub fn held(&self) -> usize {
        self.blocks.len()
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
        pool.release(&self.blocks);
        self.blocks.clear();
        (self.computed, self.registered, self.prefix) = (0, 0, self.root);
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
            adapter: self.spec.adapter.map(|adaptation| adaptation.adapter),
            trunk: self.spec.branches().then_some(base),
            tokens: self.tokens[self.computed..end].to_vec(),
            start: self.computed,
            blocks: self.blocks[..end.div_ceil(BLOCK)].to_vec(),
        }
    }

    /// The next `count` rows are computed: blocks that became full can be found by others from now on.
    pub fn advance(&mut self, count: usize, pool: &mut BlockPool) {
        self.computed += count;
        while (self.registered + 1) * BLOCK <= self.computed {
            let start = self.registered * BLOCK;
            let Ok(tokens) = self.tokens[start..start + BLOCK].try_into() else { break };
            self.prefix = pool.register(self.prefix, self.spec.adapter, tokens, self.blocks[self.registered]);
            self.registered += 1;
        }
    }

    /// A token was chosen.
    pub fn push(&mut self, token: u32) {
        self.tokens.push(token);
    }
}
