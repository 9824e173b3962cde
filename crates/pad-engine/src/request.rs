//! A request to the engine: lanes, terms and how to choose.

use std::sync::Arc;

use pad_decode::{CANDIDATES, CandidateSource, Grammar, Reference, Rule, Term};

use crate::lane_spec::{check_lanes, reward_readouts};
use crate::{LaneSpec, SubmitError, Tenant};

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
    /// Candidates that a lane proposes per step, one of [`CANDIDATES`].
    pub top_k: usize,
    /// Which lanes propose candidates.
    pub source: CandidateSource,
    /// Seed of the draws; choice `i` uses stream `i` of it.
    pub seed: u64,
    /// How many independent choices to generate (OpenAI's `n`).
    pub choices: usize,
    /// Tokens to generate at most, the end token included.
    pub max_tokens: usize,
    /// Tokens that end a choice.
    pub end_tokens: Arc<[u32]>,
    /// Whose it is.
    pub tenant: Tenant,
    /// What the answer may look like; none allows everything. A choice ends where its grammar allows nothing more.
    pub grammar: Option<Box<dyn Grammar>>,
}

impl GenerateRequest {
    /// Drop the reward lanes that cannot change the outcome: with beta 0 or all weights 0 the result is the base model's own, and
    /// no reward lane is run for it.
    pub(crate) fn drop_idle_lanes(&mut self) {
        if !self.rule.steers(&self.terms) {
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
        if !CANDIDATES.contains(&self.top_k) {
            let (least, most) = (CANDIDATES.start(), CANDIDATES.end());
            return invalid(format!("top_k is {}, allowed is {least} to {most}", self.top_k));
        }
        if self.choices == 0 || self.max_tokens == 0 {
            return invalid("at least one choice of at least one token is generated".to_owned());
        }
        Ok(())
    }
}
