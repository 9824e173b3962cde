//! Text to tokens and back, in the shapes of vLLM's `/tokenize` and `/detokenize`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ChatMessage;
use crate::object::objects;
use crate::whole;

/// The body of `POST /tokenize`: exactly one of `messages`, `prompt` and `content`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"messages": [{"role": "user", "content": "Hello!"}]}))]
pub struct TokenizeRequest {
    /// The served model's id or an alias of it; absent means the served model.
    pub model: Option<String>,
    /// A conversation, which is read as the base model reads it: through its chat template, the assistant's turn opened.
    #[schema(min_items = 1)]
    pub messages: Option<Vec<ChatMessage>>,
    /// A text. Control tokens written in it are read as such; none is added.
    pub prompt: Option<String>,
    /// The same as `prompt`, by llama-server's name.
    pub content: Option<String>,
}

/// Tokens of a text or a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"count": 2, "max_model_len": 2048, "tokens": [19556, 17]}))]
pub struct Tokenization {
    /// How many tokens there are.
    pub count: u64,
    /// Tokens that a prompt and its answer may have together.
    pub max_model_len: u64,
    /// The tokens' ids.
    pub tokens: Vec<u32>,
}

/// The body of `POST /detokenize`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"tokens": [19556, 17]}))]
pub struct DetokenizeRequest {
    /// The served model's id or an alias of it; absent means the served model.
    pub model: Option<String>,
    /// Ids of tokens.
    #[serde(deserialize_with = "whole::list")]
    pub tokens: Vec<u32>,
}

/// The text of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"prompt": "Hello!"}))]
pub struct Detokenization {
    /// The text, control tokens by their names; U+FFFD stands for bytes that make no character.
    pub prompt: String,
}

objects! {
    TokenizeRequest: "an object with `messages`, `prompt` or `content`",
    DetokenizeRequest: "an object with `tokens`",
}
