//! The body of a chat request, as the tools send it.

use serde::Serialize;
use serde_json::Value;

use crate::Message;

/// The body of `POST /v1/chat/completions`. What is `None` is not sent, so that other servers get nothing that they may
/// refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChatBody {
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation, oldest message first.
    pub messages: Vec<Message>,
    /// Number of answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// Most tokens of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Sampling temperature; 0 is greedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Seed of the draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Go on after the end of the answer until `max_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    /// The preference: weights by dimension, or a principle in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<Value>,
    /// Guidance options: `beta`, `top_k` and others of PAD Server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<Value>,
}

/// The same with the fields that ask for a stream with token counts at its end.
#[derive(Serialize)]
pub(crate) struct StreamingBody<'a> {
    #[serde(flatten)]
    body: &'a ChatBody,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> StreamingBody<'a> {
    pub(crate) fn of(body: &'a ChatBody) -> Self {
        Self { body, stream: true, stream_options: StreamOptions { include_usage: true } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_given_is_sent() {
        let body =
            ChatBody { messages: vec![Message::user("hi")], max_tokens: Some(8), seed: Some(3), ..ChatBody::default() };
        let expected = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "seed": 3});
        assert_eq!(serde_json::to_value(&body).unwrap(), expected);
        let streaming = serde_json::to_value(StreamingBody::of(&body)).unwrap();
        assert_eq!(
            (&streaming["stream"], &streaming["stream_options"]),
            (&json!(true), &json!({"include_usage": true}))
        );
        assert_eq!(streaming["messages"], expected["messages"]);
    }
}
