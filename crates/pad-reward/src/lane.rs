//! What a request needs of the engine: prompts to read and terms to weigh.

use pad_decode::{Reference, Term};

/// Through which weights a reward lane runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneSource {
    /// The base model's.
    Base,
    /// The reward model's own.
    Reward,
}

/// How a reward lane is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneHead {
    /// As the language model has it.
    None,
    /// Through a value head, by order of the reward model's heads.
    Value(usize),
}

/// How a reward lane runs: what all but its prompt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneKind {
    /// Its weights.
    pub source: LaneSource,
    /// Whether the reward model's adapter, if it has one, is added to them.
    pub adapted: bool,
    /// How it is read, once or more.
    pub heads: Vec<LaneHead>,
}

/// One reward lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewardLane {
    /// Its prompt in tokens.
    pub prompt: Vec<u32>,
    /// How it runs and is read.
    pub kind: LaneKind,
}

/// One reward term of the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanTerm {
    /// The weight w.
    pub weight: f32,
    /// What it reads: an index over all lanes' heads in order.
    pub readout: usize,
    /// What its reward is measured against.
    pub reference: Reference,
}

impl From<PlanTerm> for Term {
    fn from(term: PlanTerm) -> Self {
        Self { weight: term.weight, readout: term.readout, reference: term.reference }
    }
}

/// The lanes and terms of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct LanePlan {
    /// The base lane's prompt in tokens.
    pub base: Vec<u32>,
    /// The reward lanes; empty when the preference asks for nothing.
    pub lanes: Vec<RewardLane>,
    /// The name of each term, in the order of `terms`.
    pub dimensions: Vec<String>,
    /// The terms.
    pub terms: Vec<PlanTerm>,
}
