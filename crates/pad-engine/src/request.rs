//! What a client of the engine asks for: lanes, terms and how to choose.

use std::sync::Arc;

use pad_decode::{Grammar, Reference, Rule, Term};

use crate::SubmitError;

/// A set of weights that the runner holds. `WeightsId(0)` is the base model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightsId(pub usize);

impl WeightsId {
    /// The base model's weights.
    pub const BASE: Self = Self(0);
}

/// A low-rank adapter of a set of weights, by its order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdapterId(pub usize);

/// How an adapter's lane is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Adaptation {
    /// The adapter.
    pub adapter: AdapterId,
    /// Who computes the layers below it.
    pub trunk: Trunk,
}

/// Who computes the layers below an adapter's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trunk {
    /// The lane itself.
    Own,
    /// The base lane, whose weights and prompt are the same: the lane's rows branch off from it.
    Base,
}

/// A value head of a set of weights, by its order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeadId(pub usize);

/// What is read from a lane's hidden state at a decode step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneReadout {
    /// The unembedding, as the language model has it.
    Plain,
    /// A value head before the unembedding.
    Head(HeadId),
}

/// One token stream through one model (method, section 3).
#[derive(Clone, Debug)]
pub struct LaneSpec {
    /// The weights that the lane runs through.
    pub weights: WeightsId,
    /// The adapter added to them, if any.
    pub adapter: Option<Adaptation>,
    /// What is read from it at each step. The base lane begins with `Plain`, the base model's own logits; whatever follows, and all
    /// of a reward lane, are reward readouts.
    pub readouts: Vec<LaneReadout>,
    /// The lane's own prompt.
    pub prompt: Arc<[u32]>,
}

impl LaneSpec {
    /// Whether its rows branch off from the base lane's.
    pub fn branches(&self) -> bool {
        self.adapter.is_some_and(|adaptation| adaptation.trunk == Trunk::Base)
    }

    /// A lane through the base weights that is read plainly: the base lane, or a prompted reward lane.
    pub fn base(prompt: Arc<[u32]>) -> Self {
        Self { weights: WeightsId::BASE, adapter: None, readouts: vec![LaneReadout::Plain], prompt }
    }
}

/// The reward readouts of a request's lanes, in the order that [`Term::readout`] counts: those of the base lane behind its own
/// logits, then those of each reward lane. With each, the index of its lane.
pub(crate) fn reward_readouts<'a>(
    lanes: impl Iterator<Item = &'a LaneSpec> + 'a,
) -> impl Iterator<Item = (usize, LaneReadout)> + 'a {
    lanes.enumerate().flat_map(|(i, lane)| lane.readouts.iter().skip(usize::from(i == 0)).map(move |what| (i, *what)))
}

/// Refuse lanes that make no sense. Wire formats check their own fields first; this guards the worker.
pub(crate) fn check_lanes(lanes: &[LaneSpec], weights: usize) -> Result<(), SubmitError> {
    let invalid = |message: String| Err(SubmitError::Invalid(message));
    let Some(base) = lanes.first() else { return invalid("a request needs a base lane".to_owned()) };
    if base.weights != WeightsId::BASE || base.adapter.is_some() || base.readouts.first() != Some(&LaneReadout::Plain) {
        return invalid("the base lane runs the base weights and is read plainly".to_owned());
    }
    if lanes.iter().any(|lane| lane.prompt.is_empty()) {
        return invalid("every lane needs a prompt of at least one token".to_owned());
    }
    if lanes.iter().any(|lane| lane.branches() && (lane.weights != WeightsId::BASE || lane.prompt != base.prompt)) {
        return invalid("a lane that branches off has the base lane's weights and prompt".to_owned());
    }
    if let Some(lane) = lanes.iter().find(|lane| lane.weights.0 >= weights) {
        return invalid(format!("there are {weights} sets of weights, not number {}", lane.weights.0));
    }
    Ok(())
}

/// A request: the same lanes decoded `choices` times.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// The base lane, then the reward lanes.
    pub lanes: Vec<LaneSpec>,
    /// How the reward readouts become rewards. `Term::readout` counts those of the base lane behind its own logits, then those of
    /// `lanes[1..]`, in order.
    pub terms: Vec<Term>,
    /// Penalties, guidance strength, temperature, cuts, normalisation.
    pub rule: Rule,
    /// Number of candidates per step, 1 to 100.
    pub top_k: usize,
    /// Seed of the draws; choice `i` uses stream `i` of it.
    pub seed: u64,
    /// How many independent choices to generate (OpenAI's `n`).
    pub choices: usize,
    /// Tokens to generate at most, the end token included.
    pub max_tokens: usize,
    /// Tokens that end a choice.
    pub end_tokens: Arc<[u32]>,
    /// What the answer may look like; none allows everything. A choice ends where its grammar allows nothing more.
    pub grammar: Option<Box<dyn Grammar>>,
}

impl GenerateRequest {
    /// Drop the reward lanes that cannot change the outcome: with beta 0 or all weights 0 the result is the base model's own, and
    /// no reward lane is run for it.
    pub(crate) fn drop_idle_lanes(&mut self) {
        if self.rule.beta == 0.0 || self.terms.iter().all(|term| term.weight == 0.0) {
            self.lanes.truncate(1);
            self.lanes.iter_mut().for_each(|base| base.readouts.truncate(1));
            self.terms.clear();
        }
    }

    /// Refuse a request that makes no sense.
    pub(crate) fn check(&self, weights: usize) -> Result<(), SubmitError> {
        let invalid = |message: String| Err(SubmitError::Invalid(message));
        check_lanes(&self.lanes, weights)?;
        let readouts = reward_readouts(self.lanes.iter()).count();
        let known = |term: &Term| {
            term.readout < readouts && !matches!(term.reference, Reference::Readout(other) if other >= readouts)
        };
        if !self.terms.iter().all(known) {
            return invalid(format!("a term reads one of {readouts} readouts"));
        }
        if !(1..=100).contains(&self.top_k) {
            return invalid(format!("top_k is {}, allowed is 1 to 100", self.top_k));
        }
        if self.choices == 0 || self.max_tokens == 0 {
            return invalid("at least one choice of at least one token is generated".to_owned());
        }
        Ok(())
    }
}
