//! Whether the server is alive, and whether it accepts requests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Takes requests.
    Ok,
    /// Finishes what runs and takes nothing new.
    Draining,
    /// The engine has stopped.
    Dead,
}

/// `GET /health`: status 200 as long as the process serves HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The server's health.
    pub status: HealthStatus,
    /// The server's version.
    pub version: String,
    /// The served model's id.
    pub model: String,
    /// The engine's figures.
    pub engine: EngineHealth,
}

/// The engine's figures; counters only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineHealth {
    /// Sequences being decoded.
    pub running: u64,
    /// Sequences waiting for admission.
    pub waiting: u64,
    /// The KV cache.
    pub kv_blocks: KvBlocks,
    /// Maximum number of tokens of a lane, prompt and answer together.
    pub context: u64,
    /// Lockstep steps run.
    pub steps: u64,
    /// Tokens chosen.
    pub tokens_generated: u64,
    /// Chosen tokens that were not the base model's first choice.
    pub tokens_steered: u64,
    /// Prompt rows computed, all lanes together.
    pub tokens_prefilled: u64,
    /// Prompt tokens found in the cache, all lanes together.
    pub tokens_cached: u64,
    /// Reward lanes' rows computed.
    pub reward_rows: u64,
    /// Sequences that were completed.
    pub finished: u64,
    /// Sequences whose client disconnected.
    pub cancelled: u64,
    /// Sequences that were preempted and started again.
    pub preempted: u64,
    /// Sequences that failed.
    pub failed: u64,
}

/// The KV cache's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KvBlocks {
    /// In use by sequences.
    pub used: u64,
    /// Unused, but reusable for a prompt with the same prefix.
    pub cached: u64,
    /// In total.
    pub total: u64,
}

/// `GET /ready`: 200 while requests are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Always true; a server that is not ready answers 503 with an error.
    pub ready: bool,
    /// Whether everything works.
    pub status: ReadyStatus,
}

/// How much of a server that accepts requests works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadyStatus {
    /// Everything.
    Ok,
    /// The database does not answer: text is generated, but what needs stored profiles or responses gets status 503.
    Degraded,
}

/// `GET /version`: the server's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The server's version.
    #[schema(example = "0.1.0")]
    pub version: String,
}
