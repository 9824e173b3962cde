//! `POST /v1/chat/completions`.

mod chunks;
mod collect;
mod request;

use axum::Json;
use axum::response::{IntoResponse, Response};
use pad_api::{ChatChunk, ChatCompletion, ChatRequest};

use crate::ApiError;
use crate::api_request::ApiRequest;
use crate::failures::Failures;
use crate::generation::envelope::Envelope;
use crate::generation::options::GenerationOptions;
use crate::generation::request::GenerationRequest;
use crate::generation::{self, sse};
use crate::standing_preference::{Asked, Steering};
use chunks::ChatChunks;

/// Continue a conversation, steered towards a preference.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "Chat", operation_id = "createChatCompletion", request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer; with `stream`, its chunks as server-sent events that end with `data: [DONE]`.",
            content((ChatCompletion = "application/json"), (ChatChunk = "text/event-stream"))),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<ChatRequest>) -> Result<Response, ApiError> {
    let ApiRequest { shared, caller, standing, mut body } = request;
    let asked = Asked {
        preference: body.preference.take(),
        metadata: body.metadata.as_ref(),
        user: body.user.as_deref().or(body.safety_identifier.as_deref()),
        model: body.model.as_deref(),
    };
    let Steering { preference, source, .. } = standing.settle(asked, &shared).await?;
    let request = GenerationRequest { preference, preference_source: source, ..request::generation_request(body)? };
    let options = GenerationOptions::check(request, &shared.state)?;
    let generation = generation::start(&shared, &options, caller.acquire()?).await?;
    let envelope = Envelope::new(&shared.state.model, "chatcmpl-");
    if options.stream {
        let chunks = ChatChunks::new(generation.choices(), envelope, &options);
        return Ok(sse::respond(generation, chunks, shared.state.limits.keep_alive));
    }
    Ok(Json(collect::collect(generation, envelope, &options).await?).into_response())
}
