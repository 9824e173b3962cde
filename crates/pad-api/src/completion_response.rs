//! The answer of `POST /v1/completions`, in one piece or in chunks of the same shape.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChoicePad, FinishReason, ObjectKind, TextLogprobs, Usage};

/// A completion, or a part of one in a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "cmpl-5f0c1d2e3f405162738495a6b7c8d9e0", "object": "text_completion", "created": 1_750_000_000,
    "model": "smollm2-135m-instruct", "system_fingerprint": "pad-0.1.0",
    "choices": [{"index": 0, "text": " there was a fox.", "logprobs": null, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 0},
        "pad": {"reward_lanes": 0, "steered_tokens": 0, "mean_kl": 0.0}
    }
}))]
pub struct Completion {
    /// The completion's id, the same in every chunk.
    pub id: String,
    /// Always `text_completion`, in chunks as well.
    pub object: ObjectKind,
    /// When it was created, in seconds since 1970.
    pub created: u64,
    /// The served model's id.
    pub model: String,
    /// Identifies the server's version and settings.
    pub system_fingerprint: String,
    /// The choices: those of the first prompt, then those of the next. In a stream one, or none in the usage chunk.
    pub choices: Vec<CompletionChoice>,
    /// The usage of the request. In a stream: in the last chunk, if requested by `stream_options.include_usage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One choice, or what a chunk adds to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompletionChoice {
    /// Its number: choice `j` of prompt `i` is `i * n + j`.
    pub index: usize,
    /// The text, after the prompt if requested by `echo`.
    pub text: String,
    /// Log-probabilities, if requested by `logprobs`.
    #[schema(required)]
    pub logprobs: Option<TextLogprobs>,
    /// Why it ended; null in a stream until then.
    #[schema(required)]
    pub finish_reason: Option<FinishReason>,
    /// Why each token was chosen, if requested by `pad.trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<ChoicePad>,
}
