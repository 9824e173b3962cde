//! The launch of the rule.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};

/// What a term's reward is measured against, where it is not a readout: as `pad_decode::Reference` has it. Readouts are their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Against {
    /// The base lane.
    Base = -1,
    /// The base lane, for a readout of the opposite.
    Opposing = -2,
    /// Nothing.
    Nothing = -3,
}

/// One decision for each sequence, as `pad_decode::decide` without guards and penalties. Everything is in single precision or 32-bit
/// integers, but for the draws.
#[derive(Clone, Copy, Debug)]
pub struct DecisionLaunch {
    /// `[sequences, k]`, `u32`, at least one each; `u32::MAX` behind the last.
    pub tokens: Address,
    /// `[sequences, k]`: the base's logits.
    pub base: Address,
    /// `[sequences]`: log sum exp over the vocabulary; none: log-probabilities are over the candidates.
    pub base_sums: Address,
    /// `[readouts, k]`: the lanes' logits at the candidates of their sequence.
    pub readouts: Address,
    /// `[readouts]`, as `base_sums`.
    pub lane_sums: Address,
    /// `[sequences + 1]`: where each sequence's terms begin.
    pub first_term: Address,
    /// `[terms]`: the readout of each.
    pub term_readouts: Address,
    /// `[terms]`: a readout, or a number of [`Against`].
    pub references: Address,
    /// `[terms]`.
    pub weights: Address,
    /// `[sequences, 5]`: beta, temperature, `min_p`, `top_k`, `top_p`.
    pub rules: Address,
    /// `[sequences]` in double precision, uniform on [0, 1).
    pub draws: Address,
    /// `[sequences]`: the tokens that are chosen.
    pub chosen: Address,
    /// `[sequences]`: their ranks among the candidates.
    pub ranks: Address,
    /// `[sequences, k]`, or none.
    pub base_logprobs: Address,
    /// `[sequences, k]`: the weighted sums, or none.
    pub rewards: Address,
    /// `[sequences, k]`, or none.
    pub scores: Address,
    /// Number of sequences.
    pub sequences: usize,
    /// Candidates of a sequence.
    pub k: usize,
}

impl DecisionLaunch {
    /// The most candidates.
    pub const MOST: usize = 128;

    /// The launch.
    ///
    /// # Errors
    /// If there are too many candidates, or none.
    pub fn launch(&self) -> Result<Launch> {
        if !(1..=Self::MOST).contains(&self.k) {
            bail!("decision: {} candidates; 1 to {} are allowed", self.k, Self::MOST)
        }
        let addresses = [
            self.tokens,
            self.base,
            self.base_sums,
            self.readouts,
            self.lane_sums,
            self.first_term,
            self.term_readouts,
            self.references,
            self.weights,
            self.rules,
            self.draws,
            self.chosen,
            self.ranks,
            self.base_logprobs,
            self.rewards,
            self.scores,
        ];
        Arguments::new(&addresses).sizes(&[("k", self.k)])?.launch("decide_tokens", [self.sequences, 1, 1], 32)
    }
}
