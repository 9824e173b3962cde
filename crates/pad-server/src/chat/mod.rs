//! `POST /v1/chat/completions`.

mod chunks;
mod collect;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use pad_api::{ChatChunk, ChatCompletion, ChatRequest};

use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::failures::Failures;
use crate::generation::envelope::Envelope;
use crate::generation::frames::Frames;
use crate::generation::options::GenerationOptions;
use crate::generation::{self, sse};
use crate::state::Shared;
use chunks::Chunks;

/// Continue a conversation, steered towards a preference.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "Chat", operation_id = "createChatCompletion", request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer; with `stream`, its chunks as server-sent events that end with `data: [DONE]`.",
            content((ChatCompletion = "application/json"), (ChatChunk = "text/event-stream"))),
        Failures,
    )
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let options = GenerationOptions::read(request, &shared.state)?;
    let generation = generation::start(&shared, &options, caller.acquire()?).await?;
    let envelope = Envelope::new(&shared.state.model);
    if options.stream {
        let chunks = Chunks::new(generation.choices(), envelope, &options);
        return Ok(sse::respond(Frames::new(generation, chunks, Vec::new()), shared.state.limits.keep_alive));
    }
    Ok(Json(collect::collect(generation, envelope, options.details).await?).into_response())
}
