//! `POST /v1/completions`: prompts continued as they stand, over the same generation as a chat.

mod answer;
mod chunks;
mod collect;
mod echo;
mod options;

use axum::Json;
use axum::response::{IntoResponse, Response};
use pad_api::{Completion, CompletionRequest};

use crate::ApiError;
use crate::api_request::ApiRequest;
use crate::failures::Failures;
use crate::generation::envelope::Envelope;
use crate::generation::{self, sse};
use crate::standing_preference::Asked;
use chunks::CompletionChunks;
use options::CompletionOptions;
pub(crate) use options::prompts;

/// Continue prompts, steered towards a preference.
#[utoipa::path(
    post, path = "/v1/completions", tag = "Completions", operation_id = "createCompletion", request_body = CompletionRequest,
    responses(
        (status = 200, description = "The texts; with `stream`, chunks of the same shape as server-sent events that end with `data: [DONE]`.",
            content((Completion = "application/json"), (Completion = "text/event-stream"))),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<CompletionRequest>) -> Result<Response, ApiError> {
    let ApiRequest { shared, caller, standing, recorder, mut body } = request;
    let asked = Asked {
        preference: body.preference.take(),
        metadata: body.metadata.as_ref(),
        user: body.user.as_deref(),
        model: body.model.as_deref(),
    };
    let steering = standing.settle(asked, &shared).await?;
    let mut options = CompletionOptions::check(body, steering, &shared.state)?;
    let mut grant = caller.acquire()?;
    let scored = options.echo.is_some() && options.generation.details.logprobs.is_some();
    if scored {
        options.prompt_logprobs = echo::read(&shared, &options, &mut grant).await?;
    }
    let mut generation = generation::start(&shared, &options.generation, grant, recorder).await?;
    if scored {
        // They are in the cache because they were just computed.
        generation.count_cached_as_computed();
    }
    let envelope = Envelope::new(&shared.state.model, "cmpl-");
    if options.generation.stream {
        let chunks = CompletionChunks::new(envelope, &options, generation.choices());
        return Ok(sse::respond(generation, chunks, shared.state.limits.keep_alive));
    }
    Ok(Json(collect::collect(generation, envelope, &options).await?).into_response())
}
