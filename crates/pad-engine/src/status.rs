//! Figures about the engine, for health pages and metrics.

use crate::QueueTimes;

/// A snapshot of the engine. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The worker lives and takes requests.
    pub ready: bool,
    /// New requests are refused, running ones finish.
    pub draining: bool,
    /// Sequences that hold KV blocks.
    pub running: u64,
    /// Sequences that wait for admission.
    pub waiting: u64,
    /// Lanes of the sequences that run: base lanes and reward lanes.
    pub lanes_running: u64,
    /// KV blocks that sequences hold, over all weights.
    pub kv_blocks_used: u64,
    /// KV blocks that no sequence holds but whose contents can still be reused.
    pub kv_blocks_cached: u64,
    /// KV blocks in all.
    pub kv_blocks_total: u64,
    /// Steps run.
    pub steps: u64,
    /// Microseconds spent in the model, all steps together.
    pub model_micros: u64,
    /// Microseconds spent in planning and committing, all steps together.
    pub scheduler_micros: u64,
    /// Rows that prefilled prompts, all lanes together.
    pub tokens_prefilled: u64,
    /// Prompt tokens found in the prefix cache, all lanes together.
    pub tokens_cached: u64,
    /// Tokens chosen.
    pub tokens_generated: u64,
    /// Tokens chosen that were not the base model's first.
    pub tokens_steered: u64,
    /// Rows of reward lanes run.
    pub reward_rows: u64,
    /// Microseconds of the model's that went to reward lanes: their share of each batch, by rows and layers, and reading rewards.
    pub reward_micros: u64,
    /// Sequences that ended well.
    pub finished: u64,
    /// Sequences whose client went away.
    pub cancelled: u64,
    /// Sequences that gave their KV blocks back to make room and started again.
    pub preempted: u64,
    /// Sequences that failed.
    pub failed: u64,
    /// How long sequences waited for their first admission.
    pub queue_times: QueueTimes,
}

impl Status {
    /// The share of the KV blocks that sequences hold, 0 to 1.
    pub fn kv_usage(&self) -> f64 {
        self.kv_blocks_used as f64 / self.kv_blocks_total.max(1) as f64
    }
}

/// What a request has to fit into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tokens that one lane may have, prompt and answer together.
    pub context: usize,
    /// Positions that the KV cache holds for the smallest of the weights' pools.
    pub kv_positions: usize,
    /// Sequences that may run and wait together.
    pub queue: usize,
}
