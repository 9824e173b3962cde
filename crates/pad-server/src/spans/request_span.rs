//! What became of one request.

use std::time::{Duration, SystemTime};

use pad_api::{FinishReason, Usage};
use pad_engine::RewardTime;

use super::TraceContext;

/// One request, from its arrival to the end of its answer. It holds figures and names of models and routes, nothing that a client wrote
/// but the request's name.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSpan {
    /// Its place in the trace.
    pub context: TraceContext,
    /// Its name in the log, and in `x-request-id`.
    pub request_id: String,
    /// HTTP method.
    pub method: String,
    /// The route's path, with names in place of its variable parts; none where there is no such route.
    pub route: Option<String>,
    /// HTTP status; none where the client left before.
    pub status: Option<u16>,
    /// When it arrived.
    pub began: SystemTime,
    /// How long it took until the end of its answer.
    pub took: Duration,
    /// What it went through, as far as it came.
    pub phases: Vec<Phase>,
    /// What was generated for it.
    pub generation: Option<GenerationSpan>,
}

/// A part of a request's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What happened in it.
    pub kind: PhaseKind,
    /// Its begin, since the request's arrival.
    pub from: Duration,
    /// Its end, since the request's arrival.
    pub to: Duration,
    /// How much of it went to reward lanes, in steps spread over it.
    pub rewards: RewardTime,
}

/// What happens in a phase. All but the grammar follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseKind {
    /// The body is read and checked, the preference settled, the prompts of all lanes tokenized.
    Prepare,
    /// The form of the answer is compiled, or found in the cache; a part of the preparation.
    Grammar,
    /// The engine has it and has admitted none of its choices.
    Queue,
    /// The prompts of all lanes are read, up to the first token of a choice.
    Prefill,
    /// Tokens are generated, up to the end of the last choice.
    Decode,
}

/// What was generated for a request.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationSpan {
    /// The served model.
    pub model: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Number of choices, over all prompts.
    pub choices: usize,
    /// Why choices ended, in the order in which they did.
    pub finish_reasons: Vec<FinishReason>,
    /// What it cost, as the answer says it.
    pub usage: Usage,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All choices are complete.
    Complete,
    /// It failed, or the server stopped before.
    Failed,
    /// The client left before.
    Disconnected,
}
