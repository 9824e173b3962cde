//! The inputs of a decision: its candidates and every lane's logits at them.

use std::ops::RangeInclusive;

use crate::logprob;
use crate::rule::Normalisation;

/// How many candidates a step may have. Every setting or field that is a number of candidates, or of a step's best tokens,
/// takes its range from here.
pub const CANDIDATES: RangeInclusive<usize> = 1..=100;

/// Whose best tokens are the candidates of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CandidateSource {
    /// The base model's k best (the paper).
    #[default]
    Base,
    /// The base model's k best, and the k best of every reward readout, all of them under the same grammar, biases and penalties: a
    /// token that only a reward lane proposes can be chosen.
    Union,
}

/// One lane's logits at the candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// The logits, one per candidate, in the base's order.
    pub logits: Vec<f32>,
    /// log sum exp of the lane's logits over the whole vocabulary; read only under
    /// [`Normalisation::Vocabulary`].
    pub log_sum_exp: Option<f32>,
}

impl Readout {
    /// Log-probability of each candidate, shape `[k]`.
    ///
    /// # Panics
    ///
    /// Under [`Normalisation::Vocabulary`] when `log_sum_exp` is missing: the caller that made the
    /// readout knew the rule, and any other normaliser would report wrong numbers.
    pub fn log_probs(&self, normalisation: Normalisation) -> Vec<f32> {
        let log_sum_exp = match normalisation {
            Normalisation::Candidates => return logprob::log_softmax(&self.logits),
            Normalisation::Vocabulary => {
                self.log_sum_exp.expect("a readout over the vocabulary carries its log_sum_exp")
            }
        };
        self.logits.iter().map(|logit| logit - log_sum_exp).collect()
    }
}

/// The tokens that a step weighs, the base model's best first: the index of a token is its rank among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidates {
    /// Token ids, shape `[k]`, at least one; more than `top_k` where they come from several lanes.
    pub tokens: Vec<u32>,
    /// The base lane's own readout at these tokens: what rewards are measured against.
    pub base: Readout,
    /// The same under penalties and biases, where there are any. The order is then this one's.
    pub adjusted: Option<Readout>,
}
