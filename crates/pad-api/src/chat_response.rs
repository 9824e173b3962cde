//! The answer of `POST /v1/chat/completions` without `stream`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChoicePad, Logprobs, ObjectKind, Role, ToolCall, Usage};

/// A chat completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "chatcmpl-5f0c1d2e3f405162738495a6b7c8d9e0", "object": "chat.completion", "created": 1_750_000_000,
    "model": "smollm2-135m-instruct", "system_fingerprint": "pad-0.1.0",
    "choices": [{
        "index": 0, "message": {"role": "assistant", "content": "The capital of France is Paris.", "refusal": null},
        "logprobs": null, "finish_reason": "stop"
    }],
    "usage": {
        "prompt_tokens": 37, "completion_tokens": 8, "total_tokens": 45, "prompt_tokens_details": {"cached_tokens": 32},
        "pad": {"reward_lanes": 1, "steered_tokens": 2, "mean_kl": 0.04}
    }
}))]
pub struct ChatCompletion {
    /// The completion's id.
    pub id: String,
    /// Always `chat.completion`.
    pub object: ObjectKind,
    /// When it was created, in seconds since 1970.
    pub created: u64,
    /// The served model's id.
    pub model: String,
    /// Identifies the server's version and settings.
    pub system_fingerprint: String,
    /// The choices, by index.
    pub choices: Vec<ChatChoice>,
    /// The usage of the request.
    pub usage: Usage,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatChoice {
    /// Its number, from 0 to `n` - 1.
    pub index: usize,
    /// The model's message.
    pub message: AssistantMessage,
    /// Log-probabilities, if requested by `logprobs`.
    #[schema(required)]
    pub logprobs: Option<Logprobs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Why each token was chosen, if requested by `pad.trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<ChoicePad>,
}

/// The model's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: Role,
    /// The text; null if tools are called and there is no text.
    #[schema(required)]
    pub content: Option<String>,
    /// Always null: a refusal is part of the text.
    #[schema(required)]
    pub refusal: Option<String>,
    /// The tool calls; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<ToolCall>>)]
    pub tool_calls: Vec<ToolCall>,
}

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string was met.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The model calls a tool.
    ToolCalls,
    /// The answer was withheld.
    ContentFilter,
}

impl FinishReason {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn completion() -> ChatCompletion {
        let message = AssistantMessage {
            role: Role::Assistant,
            content: Some("hi".to_owned()),
            refusal: None,
            tool_calls: Vec::new(),
        };
        let choice = ChatChoice { index: 0, message, logprobs: None, finish_reason: FinishReason::Length, pad: None };
        ChatCompletion {
            id: "chatcmpl-1".to_owned(),
            object: ObjectKind::ChatCompletion,
            created: 7,
            model: "m".to_owned(),
            system_fingerprint: "pad-0".to_owned(),
            choices: vec![choice],
            usage: Usage { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4, ..Usage::default() },
        }
    }

    #[test]
    fn the_shape_is_openais() {
        let expected = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m", "system_fingerprint": "pad-0",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": "hi", "refusal": null}, "logprobs": null, "finish_reason": "length"
            }],
            "usage": {
                "prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "prompt_tokens_details": {"cached_tokens": 0},
                "pad": {"reward_lanes": 0, "steered_tokens": 0, "mean_kl": 0.0, "preference_source": "default"}
            }
        });
        let written = serde_json::to_value(completion()).expect("it is JSON");
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<ChatCompletion>(expected).expect("it reads back"), completion());
    }

    #[test]
    fn reasons_have_one_name() {
        for reason in [FinishReason::Stop, FinishReason::Length, FinishReason::ToolCalls, FinishReason::ContentFilter] {
            assert_eq!(serde_json::to_value(reason).expect("it is JSON"), json!(reason.as_str()));
        }
    }
}
