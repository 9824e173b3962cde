//! `POST /v1/chat/completions`.
//!
//! ```text
//! options     = check the request's values
//! plan        = template, tokenizer, preference: the prompts of all lanes
//! grammar     = what the answer may look like
//! generation  = hand it to the engine, read text
//! answer      = collect it, or send it chunk by chunk
//! ```

mod calls;
mod chunks;
mod collect;
pub(crate) mod envelope;
mod form;
pub(crate) mod frames;
pub(crate) mod generation;
mod logprobs;
pub(crate) mod options;
mod prompt;
pub(crate) mod range;
pub(crate) mod reader;
mod sampling;
pub(crate) mod sse;
mod submission;
pub(crate) mod tally;
mod timing;
pub(crate) mod trace;
pub(crate) mod waiting;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use pad_api::{ChatChunk, ChatCompletion, ChatRequest};

use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::failures::Failures;
use crate::keys::Grant;
use crate::state::Shared;
use chunks::Chunks;
use envelope::Envelope;
use frames::Frames;
use generation::Generation;
use options::ChatOptions;

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
    let options = ChatOptions::read(request, &shared.state)?;
    let generation = start(&shared, &options, caller.acquire()?).await?;
    let envelope = Envelope::new(&shared.state.model);
    if options.stream {
        let chunks = Chunks::new(generation.choices(), envelope, &options);
        return Ok(sse::respond(Frames::new(generation, chunks, Vec::new()), shared.state.limits.keep_alive));
    }
    Ok(Json(collect::collect(generation, envelope, options.details).await?).into_response())
}

/// From checked options to running choices: what every route that generates does. The grant is the caller's place.
///
/// # Errors
/// 429 where the queue has no place left, 400 where the prompts cannot be prepared or do not fit.
pub(crate) async fn start(shared: &Arc<Shared>, options: &ChatOptions, grant: Grant) -> Result<Generation, ApiError> {
    let mut plans = prompt::plan(shared, options).await?;
    // The preference is one, and so are the dimensions of all prompts.
    let names = plans.first_mut().map(|plan| std::mem::take(&mut plan.dimensions)).unwrap_or_default();
    let requests = plans.into_iter().map(|plan| submission::request(&shared.state, options, plan));
    let mut requests = requests.collect::<Result<Vec<_>, _>>()?;
    let grammar = options.form.grammar(shared).await?;
    requests.iter_mut().for_each(|request| request.grammar.clone_from(&grammar));
    Generation::start(shared, options, names, requests, grant)
}
