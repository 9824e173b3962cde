//! `POST /v1/completions`: prompts continued as they stand, over the same generation as a chat.

mod chunks;
mod collect;
mod echo;
mod options;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use pad_api::{Completion, CompletionRequest};

use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::failures::Failures;
use crate::generation::envelope::Envelope;
use crate::generation::frames::Frames;
use crate::generation::{self, sse};
use crate::state::Shared;
use chunks::Chunks;
use options::CompletionOptions;

/// Continue prompts, steered towards a preference.
#[utoipa::path(
    post, path = "/v1/completions", tag = "Completions", operation_id = "createCompletion", request_body = CompletionRequest,
    responses(
        (status = 200, description = "The texts; with `stream`, chunks of the same shape as server-sent events that end with `data: [DONE]`.",
            content((Completion = "application/json"), (Completion = "text/event-stream"))),
        Failures,
    )
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    answer(&shared, &caller, request).await.map_err(|error| error.renamed("messages", "prompt"))
}

async fn answer(shared: &Arc<Shared>, caller: &Caller, request: CompletionRequest) -> Result<Response, ApiError> {
    let mut options = CompletionOptions::read(request, &shared.state)?;
    let grant = caller.acquire()?;
    let scored = options.echo.is_some() && options.generation.details.logprobs.is_some();
    if scored {
        options.prompts = echo::read(shared, &options).await?;
    }
    let mut generation = generation::start(shared, &options.generation, grant).await?;
    if scored {
        // They are in the cache because they were just computed.
        generation.count_cached_as_computed();
    }
    let envelope = Envelope::named(&shared.state.model, "cmpl");
    if options.generation.stream {
        let mut chunks = Chunks::new(envelope, &options, generation.choices());
        let opening = chunks.opening();
        return Ok(sse::respond(Frames::new(generation, chunks, opening), shared.state.limits.keep_alive));
    }
    Ok(Json(collect::collect(generation, &envelope, &options).await?).into_response())
}
