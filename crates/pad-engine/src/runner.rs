//! The narrow trait between scheduler and model; the tests of the scheduler use a fake one.

use std::sync::Arc;
use std::time::Duration;

use pad_decode::{Adjustments, Bridge, Candidates, Readout};
use pad_model::Strength;

use crate::{AdapterId, LaneReadout, StepError, WeightsId};

/// Consecutive positions of one lane in one step.
#[derive(Clone, Debug)]
pub struct LaneRows {
    /// Whether it is a reward lane: any but its sequence's first.
    pub reward: bool,
    /// The weights to run through.
    pub weights: WeightsId,
    /// The adapter to add, and its strength.
    pub adapter: Option<(AdapterId, Strength)>,
    /// The rows, by index in the plan, of the same tokens at the same positions that compute the layers below the adapter.
    pub trunk: Option<usize>,
    /// The tokens of these rows.
    pub tokens: Vec<u32>,
    /// Position of the first of them in the lane.
    pub start: usize,
    /// The lane's KV blocks, from position 0 to the last row's at least; those before the first row's window are not its own.
    pub blocks: Vec<u32>,
    /// What is not settled of a lane whose model has tokens of its own.
    pub open: Option<Open>,
}

impl LaneRows {
    /// The adapter and its strength, as the model's chunks have them.
    pub(crate) fn adapted(&self) -> (Option<usize>, Strength) {
        let (adapter, strength) = self.adapter.clone().unzip();
        (adapter.map(|adapter: AdapterId| adapter.0), strength.unwrap_or(Strength::ONE))
    }
}

/// The end of a lane over a bridge, which may change with the next token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The tokens of the base model, the last chosen ones.
    pub chosen: Vec<u32>,
    /// How many of the lane's tokens, the last ones, they are.
    pub tokens: usize,
}

/// A sequence that chooses a token in this step. Rows are indices into [`StepPlan::rows`]; the last token's hidden state is read.
#[derive(Clone, Debug)]
pub struct DecodeRows {
    /// The base lane's rows.
    pub base: usize,
    /// Every reward readout: rows and what to read there.
    pub rewards: Vec<(usize, LaneReadout)>,
    /// Candidates that a lane proposes.
    pub top_k: usize,
    /// The lanes that propose some beside the base.
    pub proposers: Vec<(usize, LaneReadout)>,
    /// What is changed about the base's logits before the candidates are taken.
    pub adjustments: Adjustments,
    /// Whether readouts carry the log-sum-exp over the vocabulary.
    pub log_sum_exp: bool,
}

/// Given tokens whose log-probabilities are read at the last rows of a lane's chunk.
#[derive(Clone, Debug)]
pub struct ScoreRows {
    /// The lane's rows, an index into [`StepPlan::rows`].
    pub row: usize,
    /// How they are read.
    pub readouts: Vec<LaneReadout>,
    /// The tokens, one for each of the last rows.
    pub targets: Vec<u32>,
    /// How many of the best tokens to tell beside each, by the first readout.
    pub top: usize,
}

/// What was read of given tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoreReadouts {
    /// Their log-probabilities over the vocabulary, `[readouts][targets]`.
    pub logprobs: Vec<Vec<f32>>,
    /// By the first readout the best tokens in each one's place with their log-probabilities, `[targets][top]`, best first.
    pub best: Vec<Vec<(u32, f32)>>,
}

/// One lockstep step: prefill chunks and decode rows of every lane of every sequence in it.
#[derive(Clone, Debug, Default)]
pub struct StepPlan {
    /// All rows, base and reward lanes together.
    pub rows: Vec<LaneRows>,
    /// The sequences that decode.
    pub decodes: Vec<DecodeRows>,
    /// The answers of which a part is scored.
    pub scores: Vec<ScoreRows>,
    /// Rows, indices into [`StepPlan::rows`], whose hidden states are all read.
    pub embeds: Vec<usize>,
}

/// What the rule needs to decide one token.
#[derive(Clone, Debug)]
pub struct DecodeReadouts {
    /// The candidates.
    pub candidates: Candidates,
    /// One entry per entry of [`DecodeRows::rewards`]: logits at the candidates only.
    pub rewards: Vec<Readout>,
}

/// What was read in a step.
#[derive(Clone, Debug, Default)]
pub struct StepReadouts {
    /// One entry per entry of [`StepPlan::decodes`].
    pub decodes: Vec<DecodeReadouts>,
    /// One entry per entry of [`StepPlan::scores`].
    pub scores: Vec<ScoreReadouts>,
    /// One entry per entry of [`StepPlan::embeds`]: the hidden states behind the last norm, `[rows][hidden]`.
    pub embeds: Vec<Vec<Vec<f32>>>,
    /// How much of the step's time went to reward lanes, and to reading rewards for decisions.
    pub reward_time: Duration,
}

/// Runs steps. Owns the weights and the KV cache's memory; knows no requests.
pub trait Runner: Send {
    /// Tokens that one lane may have.
    fn context(&self) -> usize;

    /// KV blocks per set of weights, by [`WeightsId`].
    fn kv_blocks(&self) -> Vec<usize>;

    /// How chosen tokens become those of a model that has its own; none where it has the base model's.
    fn bridge(&self, _weights: WeightsId) -> Option<Arc<dyn Bridge>> {
        None
    }

    /// The positions that a row may look back on in each set of weights, its own included; none, or no entry, where it may look back on
    /// all. A lane's blocks before those of its window may hold others' keys and values.
    fn windows(&self) -> Vec<Option<usize>> {
        Vec::new()
    }

    /// Tokens that have an embedding in the base model: a prompt with a higher one is not taken, since its step would fail with all that are
    /// in it.
    fn vocabulary(&self) -> usize;

    /// Run one step.
    ///
    /// # Errors
    /// Where the model fails; the sequences of the step are then failed, and the runner must be usable for the next step.
    fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError>;
}
