//! The reply to a chat request that is not streamed.

use pad_api::{ChoicePad, PadUsage, TokenTrace};
use serde::Deserialize;

/// The answers and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatReply {
    /// The choices, in the server's order.
    pub answers: Vec<ChatAnswer>,
    /// Token counts, where the server gives them.
    pub usage: Option<TokenUsage>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAnswer {
    /// The text, as it came.
    pub text: String,
    /// Whether the model ended the answer; otherwise it was cut at a limit.
    pub complete: bool,
}

/// Tokens as the server counts them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct TokenUsage {
    /// Tokens of the prompt, its template included.
    pub prompt_tokens: u64,
    /// Tokens of all answers.
    pub completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    /// The effect of steering; only PAD Server reports it.
    pub pad: Option<PadUsage>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

impl TokenUsage {
    /// Tokens of the prompt that were found in a cache; `None` where the server does not tell.
    pub fn cached_tokens(&self) -> Option<u64> {
        self.prompt_tokens_details.as_ref()?.cached_tokens
    }
}

/// The reply on the wire.
#[derive(Deserialize)]
pub(crate) struct WireReply {
    choices: Vec<WireChoice>,
    usage: Option<TokenUsage>,
}

#[derive(Deserialize)]
struct WireChoice {
    message: WireMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<String>,
}

impl From<WireReply> for ChatReply {
    fn from(reply: WireReply) -> Self {
        let answer = |choice: WireChoice| ChatAnswer {
            text: choice.message.content.unwrap_or_default(),
            complete: choice.finish_reason.as_deref() == Some("stop"),
        };
        Self { answers: reply.choices.into_iter().map(answer).collect(), usage: reply.usage }
    }
}

/// A reply of which only the traces are read.
#[derive(Deserialize)]
pub(crate) struct TracedReply {
    choices: Vec<TracedChoice>,
}

#[derive(Deserialize)]
struct TracedChoice {
    pad: Option<ChoicePad>,
}

impl From<TracedReply> for Vec<Vec<TokenTrace>> {
    fn from(reply: TracedReply) -> Self {
        reply.choices.into_iter().map(|choice| choice.pad.unwrap_or_default().trace).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_other_servers_are_read() {
        let text = r#"{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"},
            {"message": {"role": "assistant", "content": null}, "finish_reason": "length", "more": 1}]}"#;
        let reply: ChatReply = serde_json::from_str::<WireReply>(text).unwrap().into();
        let expected = [("Hi".to_owned(), true), (String::new(), false)];
        assert_eq!(reply.answers, expected.map(|(text, complete)| ChatAnswer { text, complete }));
        assert_eq!(reply.usage, None);
        let usage = r#"{"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 1},
            "pad": {"reward_lanes": 1, "steered_tokens": 2, "mean_kl": 0.5, "preference_source": "body"}}"#;
        let usage: TokenUsage = serde_json::from_str(usage).unwrap();
        assert_eq!((usage.cached_tokens(), usage.pad.map(|pad| pad.steered_tokens)), (Some(1), Some(2)));
    }

    #[test]
    fn traces_are_read_where_they_are() {
        let step = r#"{"token": 5, "text": "a", "base_rank": 0, "base_logprob": -0.5, "rewards": {"x": 1.0}, "reward": 1.0, "score": 0.5,
            "strength": 1.0, "candidates": []}"#;
        let text =
            format!(r#"{{"choices": [{{"pad": {{"trace": [{step}]}}, "message": {{}}}}, {{"message": {{}}}}]}}"#);
        let traces: Vec<Vec<TokenTrace>> = serde_json::from_str::<TracedReply>(&text).unwrap().into();
        assert_eq!(
            traces.iter().map(|t| t.iter().map(|s| s.token).collect()).collect::<Vec<Vec<u32>>>(),
            [vec![5], vec![]]
        );
    }
}
