//! `POST /tokenize` and `POST /detokenize`: text to tokens and back.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use pad_api::{Detokenization, DetokenizeRequest, ErrorBody, Tokenization, TokenizeRequest};
use pad_text::{Chat, Message, spell};

use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::conversation::conversation;
use crate::preparation::prepare;
use crate::state::Shared;

/// Turn a text or a conversation into tokens.
#[utoipa::path(
    post, path = "/tokenize", tag = "Tokens", operation_id = "tokenize", request_body = TokenizeRequest,
    responses(
        (status = 200, description = "The tokens.", body = Tokenization),
        (status = 400, description = "A value is wrong (`param` names the field).", body = ErrorBody),
        (status = 404, description = "No such model.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 429, description = "A limit of the API key is reached.", body = ErrorBody),
    )
)]
pub(crate) async fn tokenize(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<TokenizeRequest>,
) -> Result<Json<Tokenization>, ApiError> {
    shared.state.model.check_name(request.model.as_deref())?;
    let source = Source::of(request)?;
    let grant = caller.acquire()?;
    let chat = Arc::clone(&shared.state.chat);
    let tokens = prepare(move || source.tokens(&chat)).await?;
    grant.charge_done(tokens.len() as u64);
    let max_model_len = shared.state.engine.limits().context as u64;
    Ok(Json(Tokenization { count: tokens.len() as u64, max_model_len, tokens }))
}

/// Turn tokens into text.
#[utoipa::path(
    post, path = "/detokenize", tag = "Tokens", operation_id = "detokenize", request_body = DetokenizeRequest,
    responses(
        (status = 200, description = "The text.", body = Detokenization),
        (status = 400, description = "A value is wrong (`param` names the field).", body = ErrorBody),
        (status = 404, description = "No such model.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 429, description = "A limit of the API key is reached.", body = ErrorBody),
    )
)]
pub(crate) async fn detokenize(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<DetokenizeRequest>,
) -> Result<Json<Detokenization>, ApiError> {
    shared.state.model.check_name(request.model.as_deref())?;
    let tokenizer = shared.state.chat.tokenizer();
    let size = tokenizer.vocab_size();
    if let Some(token) = request.tokens.iter().find(|token| **token as usize >= size) {
        let message = format!("`tokens` has {token}; allowed: ids of tokens, 0 to {}", size.saturating_sub(1));
        return Err(ApiError::invalid("tokens", message));
    }
    caller.acquire()?.charge_done(request.tokens.len() as u64);
    Ok(Json(Detokenization { prompt: spell(tokenizer, &request.tokens) }))
}

/// What is to be turned into tokens.
enum Source {
    Text(String),
    Messages(Vec<Message>),
}

impl Source {
    fn of(request: TokenizeRequest) -> Result<Self, ApiError> {
        match (request.messages, request.prompt, request.content) {
            (Some(messages), None, None) => Ok(Self::Messages(conversation(messages)?)),
            (None, Some(text), None) | (None, None, Some(text)) => Ok(Self::Text(text)),
            (None, None, None) => {
                Err(ApiError::invalid("prompt", "no text is given; allowed: one of `messages`, `prompt` and `content`"))
            }
            _ => Err(ApiError::invalid(
                "prompt",
                "more than one text is given; allowed: one of `messages`, `prompt` and `content`",
            )),
        }
    }

    fn tokens(&self, chat: &Chat) -> Result<Vec<u32>, ApiError> {
        Ok(match self {
            Self::Text(text) => chat.tokenizer().encode(text)?,
            Self::Messages(messages) => chat.encode(messages)?,
        })
    }
}
