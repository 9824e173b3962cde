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
    /// The served model's id or an alias of it; default: the served model.
    pub model: Option<String>,
    /// A conversation, rendered as for the base model: with its chat template and an open assistant's turn.
    #[schema(min_items = 1)]
    pub messages: Option<Vec<ChatMessage>>,
    /// A text. Control tokens in it are parsed as such; none is added.
    pub prompt: Option<String>,
    /// The same as `prompt`, under llama-server's name.
    pub content: Option<String>,
}

/// Tokens of a text or a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"count": 2, "max_model_len": 2048, "tokens": [19556, 17]}))]
pub struct Tokenization {
    /// How many tokens there are.
    pub count: u64,
    /// Maximum number of tokens of a prompt and its answer together.
    pub max_model_len: u64,
    /// The tokens' ids.
    pub tokens: Vec<u32>,
}

/// The body of `POST /detokenize`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"tokens": [19556, 17]}))]
pub struct DetokenizeRequest {
    /// The served model's id or an alias of it; default: the served model.
    pub model: Option<String>,
    /// Ids of tokens.
    #[serde(deserialize_with = "whole::list")]
    pub tokens: Vec<u32>,
}

/// The text of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"prompt": "Hello!"}))]
pub struct Detokenization {
    /// The text, with control tokens by their names; U+FFFD replaces bytes that are not valid UTF-8.
    pub prompt: String,
}

objects! {
    TokenizeRequest: "an object with `messages`, `prompt` or `content`",
    DetokenizeRequest: "an object with `tokens`",
}
