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

/// One reward lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewardLane {
    /// Its prompt in tokens.
    pub prompt: Vec<u32>,
    /// Its weights.
    pub source: LaneSource,
    /// Whether the value head stands before the unembedding.
    pub head: bool,
}

/// One reward term of the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanTerm {
    /// The weight w.
    pub weight: f32,
    /// Index of its lane in [`LanePlan::lanes`].
    pub lane: usize,
    /// What its reward is measured against; so far always the base lane.
    pub reference: Reference,
}

impl From<PlanTerm> for Term {
    /// Every reward lane has one readout, so the lane's index is the readout's.
    fn from(term: PlanTerm) -> Self {
        Self { weight: term.weight, readout: term.lane, reference: term.reference }
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
