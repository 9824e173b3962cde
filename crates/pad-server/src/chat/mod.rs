//! `POST /v1/chat/completions`.

mod chunks;
mod collect;
mod kept;
mod request;

use axum::Json;
use axum::response::{IntoResponse, Response};
use pad_api::{ChatChunk, ChatCompletion, ChatRequest};

use crate::ApiError;
use crate::api_request::ApiRequest;
use crate::conversation::template_messages;
use crate::failures::Failures;
use crate::generation::envelope::Envelope;
use crate::generation::options::GenerationOptions;
use crate::generation::request::GenerationRequest;
use crate::generation::{self, sse};
use crate::profiles::examples::examples;
use crate::standing_preference::{Asked, Steering};
use chunks::ChatChunks;
use kept::AnswersToKeep;

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
    let ApiRequest { shared, caller, standing, recorder, mut body } = request;
    let asked = Asked {
        preference: body.preference.take(),
        metadata: body.metadata.as_ref(),
        user: body.user.as_deref().or(body.safety_identifier.as_deref()),
        model: body.model.as_deref(),
    };
    let steering = standing.settle(asked, &shared).await?;
    // A continued answer is a fragment, so it is not stored.
    let whole = !body.continue_final_message.unwrap_or(false);
    let store = body.store.unwrap_or(false) && whole && shared.state.store.is_some();
    let conversation = store.then(|| template_messages(body.messages.clone()));
    let request = request::generation_request(body)?;
    let examples = examples(&shared, &caller.scope(), steering.profile(), request.question()).await;
    let Steering { preference, source, person, .. } = steering;
    let request = GenerationRequest { preference, preference_source: source, ..request.with_examples(&examples) };
    let options = GenerationOptions::check(request, &shared.state)?;
    let generation = generation::start(&shared, &options, caller.acquire()?, recorder).await?;
    let envelope = Envelope::new(&shared.state.model, "chatcmpl-");
    let kept =
        conversation.map(|told| AnswersToKeep::new(std::sync::Arc::clone(&shared), caller.scope(), person, told));
    if options.stream {
        let chunks = ChatChunks::new(generation.choices(), envelope, &options, kept);
        return Ok(sse::respond(generation, chunks, shared.state.limits.keep_alive));
    }
    Ok(Json(collect::collect(generation, envelope, &options, kept).await?).into_response())
}
