//! A bridge: what a lane with tokens of its own reads for the tokens that the base model chooses.

use std::fmt;

/// What a lane reads for some tokens of the base model, the last ones of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crossing {
    /// The lane's tokens.
    pub tokens: Vec<u32>,
    /// Of each of them, the token of the base model in which it ends, by index. Never falling.
    pub ends_in: Vec<usize>,
    /// How many of them, the first ones, stay as they are whatever follows.
    pub settled: usize,
    /// How many of the base model's tokens those stand for: what follows is crossed without them.
    pub closed: usize,
}

/// From the tokens of the base model to those of a lane whose model has others.
///
/// A pure function: crossing an answer token by token, each time without what is settled, gives the tokens of the whole.
pub trait Bridge: fmt::Debug + Send + Sync {
    /// What the lane reads for these tokens, with which the answer ends; those before them are settled.
    fn cross(&self, open: &[u32]) -> Crossing;
}
