//! The far side of a bridge: how a lane whose model has tokens of its own follows the tokens that are chosen.

use std::sync::Arc;

use pad_decode::Bridge;

use crate::Open;

/// Spare blocks of weights over a bridge, for branches.
pub const SPARE: usize = 64;

/// What such a lane knows beside its tokens.
#[derive(Clone, Debug)]
pub struct FarSide {
    bridge: Arc<dyn Bridge>,
    /// Chosen tokens of the base model that the settled ones do not stand for.
    chosen: Vec<u32>,
    /// The lane's first tokens, which stay as they are. At least one: prompts are not empty.
    settled: usize,
    /// Tokens that the lane has room for.
    most: usize,
}

impl FarSide {
    /// The far side of a lane whose tokens so far, at least one, are settled.
    pub fn new(bridge: Arc<dyn Bridge>, settled: usize, most: usize) -> Self {
        Self { bridge, chosen: Vec::new(), settled: settled.max(1), most }
    }

    /// How many of the lane's tokens stay as they are.
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// Tokens that the lane has room for.
    pub fn most(&self) -> usize {
        self.most
    }

    /// What is not settled of a lane of so many tokens.
    pub fn open(&self, len: usize) -> Open {
        Open { chosen: self.chosen.clone(), tokens: len - self.settled }
    }

    /// A token was chosen: the lane's `tokens` follow. Returns how many of them, the first ones, need not be computed again: the last
    /// settled one is, since its row predicts what is not settled.
    pub fn follow(&mut self, token: u32, tokens: &mut Vec<u32>) -> usize {
        self.chosen.push(token);
        let crossing = self.bridge.cross(&self.chosen);
        let same = common(&tokens[self.settled..], &crossing.tokens);
        let unchanged = self.settled + same;
        tokens.truncate(self.settled);
        tokens.extend(crossing.tokens);
        self.settled += crossing.settled;
        self.chosen.drain(..crossing.closed);
        unchanged.min(self.settled - 1)
    }
}

/// How many tokens, the first ones, two lists share.
pub fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
