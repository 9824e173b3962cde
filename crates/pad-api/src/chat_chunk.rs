//! The parts of a streamed chat completion.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChoicePad, FinishReason, Logprobs, ObjectKind, Role, ToolCallDelta, Usage};

/// One chunk of a stream: one choice's next text, its end, or (without choices) the usage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "chatcmpl-5f0c1d2e3f405162738495a6b7c8d9e0", "object": "chat.completion.chunk", "created": 1_750_000_000,
    "model": "smollm2-135m-instruct", "system_fingerprint": "pad-0.1.0",
    "choices": [{"index": 0, "delta": {"content": "Paris"}, "logprobs": null, "finish_reason": null}]
}))]
pub struct ChatChunk {
    /// The completion's id, the same in every chunk.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: ObjectKind,
    /// When the stream started, in seconds since 1970; the same in every chunk.
    pub created: u64,
    /// The served model's id.
    pub model: String,
    /// Identifies the server's version and settings.
    pub system_fingerprint: String,
    /// One choice, or none in the usage chunk.
    pub choices: Vec<ChunkChoice>,
    /// The usage of the request: in the last chunk, if requested by `stream_options.include_usage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What a chunk adds to one choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChunkChoice {
    /// The choice's number, from 0 to `n` - 1.
    pub index: usize,
    /// The addition.
    pub delta: Delta,
    /// Log-probabilities of the tokens that this chunk completes, if requested by `logprobs`.
    #[schema(required)]
    pub logprobs: Option<Logprobs>,
    /// Why the choice ended; null until then.
    #[schema(required)]
    pub finish_reason: Option<FinishReason>,
    /// Why the tokens since the choice's last chunk were chosen, if requested by `pad.trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<ChoicePad>,
}

/// What a chunk adds to a choice's message. The role is sent once, first; the end adds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delta {
    /// The role: in the choice's first chunk only, since SDKs concatenate strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The next text; null in the first chunk of an answer that starts with a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub content: Option<Option<String>>,
    /// Additions to tool calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<ToolCallDelta>>)]
    pub tool_calls: Vec<ToolCallDelta>,
}

impl Delta {
    /// The opening of a choice.
    pub fn opening() -> Self {
        Self { role: Some(Role::Assistant), content: Some(Some(String::new())), ..Self::default() }
    }

    /// The opening of a choice that begins with a call.
    pub fn calling() -> Self {
        Self { role: Some(Role::Assistant), content: Some(None), ..Self::default() }
    }

    /// More words.
    pub fn text(text: String) -> Self {
        Self { content: Some(Some(text)), ..Self::default() }
    }

    /// More of calls.
    pub fn calls(tool_calls: Vec<ToolCallDelta>) -> Self {
        Self { tool_calls, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deltas_hold_only_what_they_add() {
        let json = |delta: Delta| serde_json::to_value(delta).expect("it is JSON");
        assert_eq!(json(Delta::opening()), json!({"role": "assistant", "content": ""}));
        assert_eq!(json(Delta::calling()), json!({"role": "assistant", "content": null}));
        assert_eq!(json(Delta::text("a".to_owned())), json!({"content": "a"}));
        assert_eq!(json(Delta::default()), json!({}));
    }
}
