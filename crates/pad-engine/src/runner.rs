//! The narrow trait between scheduler and model: the scheduler is tested with a fake.

use pad_decode::{Adjustments, Candidates, Readout};

use crate::{AdapterId, LaneReadout, StepError, WeightsId};

/// Consecutive positions of one lane in one step.
#[derive(Clone, Debug)]
pub struct LaneRows {
    /// The weights to run through.
    pub weights: WeightsId,
    /// The adapter to add.
    pub adapter: Option<AdapterId>,
    /// The tokens of these rows.
    pub tokens: Vec<u32>,
    /// Position of the first of them in the lane.
    pub start: usize,
    /// The lane's KV blocks, from position 0 to the last row's at least.
    pub blocks: Vec<u32>,
}

/// A sequence that chooses a token in this step. Rows are indices into [`StepPlan::rows`]; the last token's hidden state is read.
#[derive(Clone, Debug)]
pub struct DecodeRows {
    /// The base lane's rows.
    pub base: usize,
    /// Every readout of the reward lanes: rows and what to read there.
    pub rewards: Vec<(usize, LaneReadout)>,
    /// Number of candidates.
    pub top_k: usize,
    /// What is changed about the base's logits before the candidates are taken.
    pub adjustments: Adjustments,
    /// Whether readouts carry the log-sum-exp over the vocabulary.
    pub log_sum_exp: bool,
}

/// One lockstep step: prefill chunks and decode rows of every lane of every sequence in it.
#[derive(Clone, Debug, Default)]
pub struct StepPlan {
    /// All rows, base and reward lanes together.
    pub rows: Vec<LaneRows>,
    /// The sequences that decode.
    pub decodes: Vec<DecodeRows>,
}

/// What the rule needs to decide one token.
#[derive(Clone, Debug)]
pub struct DecodeReadouts {
    /// The base lane's candidates.
    pub candidates: Candidates,
    /// One entry per entry of [`DecodeRows::rewards`]: logits at the candidates only.
    pub rewards: Vec<Readout>,
}

/// Runs steps. Owns the weights and the KV cache's memory; knows no requests.
pub trait Runner: Send {
    /// Tokens that one lane may have.
    fn context(&self) -> usize;

    /// KV blocks per set of weights, by [`WeightsId`].
    fn kv_blocks(&self) -> Vec<usize>;

    /// Run one step; one entry per entry of [`StepPlan::decodes`], in its order.
    ///
    /// # Errors
    /// Where the model fails; the sequences of the step are then failed, and the runner must be usable for the next step.
    fn step(&mut self, plan: &StepPlan) -> Result<Vec<DecodeReadouts>, StepError>;
}
