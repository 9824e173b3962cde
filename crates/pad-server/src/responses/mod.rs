//! `POST /v1/responses`: text and function calls in OpenAI's newer shape, and the stored responses.

mod checked_request;
mod conversation;
mod draft;
mod events;
pub(crate) mod input_items;
mod output;
pub(crate) mod stored;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::{Extension, Json};
use pad_api::{DeletedResponse, ErrorBody, ObjectKind, Response, ResponseEvent, ResponseRequest};

use crate::ApiError;
use crate::api_request::ApiRequest;
use crate::auth::Caller;
use crate::failures::Failures;
use crate::generation::{self, sse};
use crate::standing_preference::Asked;
use crate::state::Shared;
use checked_request::CheckedResponseRequest;
use draft::ResponseDraft;
use events::ResponseEvents;

/// Answer, steered towards a preference.
#[utoipa::path(
    post, path = "/v1/responses", tag = "Responses", operation_id = "createResponse", request_body = ResponseRequest,
    responses(
        (status = 200, description = "The response; with `stream`, typed server-sent events, of which `response.completed`, \
            `response.incomplete` or `response.failed` is the last.",
            content((Response = "application/json"), (ResponseEvent = "text/event-stream"))),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<ResponseRequest>) -> Result<HttpResponse, ApiError> {
    let ApiRequest { shared, caller, standing, recorder, mut body } = request;
    let notes = body.metadata.iter().flatten().map(|(name, note)| (name.clone(), note.clone().into())).collect();
    let asked = Asked {
        preference: body.preference.take(),
        metadata: Some(&notes),
        user: body.user.as_deref().or(body.safety_identifier.as_deref()),
        model: body.model.as_deref(),
    };
    let steering = standing.settle(asked, &shared).await?;
    let turn = CheckedResponseRequest::check(body, steering, &shared, &caller).await?;
    let mut generation = generation::start(&shared, &turn.options, caller.acquire()?, recorder).await?;
    let stream = turn.options.stream;
    let mut draft = ResponseDraft::new(Arc::clone(&shared), turn);
    if stream {
        return Ok(sse::respond(generation, ResponseEvents::new(draft), shared.state.limits.keep_alive));
    }
    while let Some((_, part)) = generation.next().await? {
        draft.add(part);
    }
    Ok(Json(draft.finished(generation.tally()).await).into_response())
}

/// Return a stored response.
#[utoipa::path(
    get, path = "/v1/responses/{id}", tag = "Responses", operation_id = "getResponse",
    params(("id" = String, Path, description = "The response's id.")),
    responses(
        (status = 200, description = "The response.", body = Response),
        (status = 404, description = "No such response is stored.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Response>, ApiError> {
    Ok(Json(stored::find(&shared, &caller.scope(), &id).await?.response))
}

/// Delete a stored response.
#[utoipa::path(
    delete, path = "/v1/responses/{id}", tag = "Responses", operation_id = "deleteResponse",
    params(("id" = String, Path, description = "The response's id.")),
    responses(
        (status = 200, description = "It is deleted.", body = DeletedResponse),
        (status = 404, description = "No such response is stored.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<DeletedResponse>, ApiError> {
    stored::forget(&shared, &caller.scope(), &id).await?;
    Ok(Json(DeletedResponse { id, object: ObjectKind::Response, deleted: true }))
}
