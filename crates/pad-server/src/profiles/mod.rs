//! `/v1/preferences/profiles`: what users prefer, stored by name. A key sees the profiles of its own scope only.

pub(crate) mod dimensions;
pub(crate) mod elicit;
pub(crate) mod examples;
pub(crate) mod export;
pub(crate) mod feedback;
mod judgement;
pub(crate) mod kept_answers;
mod learned;
pub(crate) mod list;
pub(crate) mod name;
pub(crate) mod named;
mod population;
pub(crate) mod population_cache;
mod precondition;
mod set;
mod wire_form;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use pad_api::{DeletedProfile, ErrorBody, ObjectKind, Preference, PreferenceProfile, ProfileRequest};
use pad_store::Profile;

use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::failures::ProfileFailures;
use crate::generation::guidance::preference_input;
use crate::state::{AppState, Shared};

/// Bytes of a stored principle in words.
const LONGEST_PRINCIPLE: usize = 8192;

/// Return a stored profile.
#[utoipa::path(
    get, path = "/v1/preferences/profiles/{name}", tag = "Preferences", operation_id = "getProfile",
    params(
        ("name" = String, Path, description = "The profile's name."),
        ("if-none-match" = Option<String>, Header, description = "Entity tags of states that need not be sent."),
    ),
    responses(
        (status = 200, description = "The profile.", body = PreferenceProfile,
            headers(("etag" = String, description = "Names this state of the profile."))),
        (status = 304, description = "It is in a state that `if-none-match` has."),
        ProfileFailures,
    )
)]
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    name::check(&name)?;
    let found = shared.store()?.profile(&caller.scope(), &name).await?;
    let profile = found.ok_or_else(|| ApiError::profile_not_found(&name))?;
    if precondition::is_known(&headers, profile.stamp)? {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, precondition::tag(profile.stamp))]).into_response());
    }
    shown(StatusCode::OK, &profile, &shared)
}

/// Store what a user prefers. What was learned from choices stays.
#[utoipa::path(
    put, path = "/v1/preferences/profiles/{name}", tag = "Preferences", operation_id = "putProfile",
    request_body = ProfileRequest,
    params(
        ("name" = String, Path, description = "The profile's name: 1 to 256 bytes without control characters."),
        ("if-match" = Option<String>, Header, description = "Only if the profile is in one of these states; `*`: if there is one."),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is no profile of this name."),
    ),
    responses(
        (status = 200, description = "The profile was changed.", body = PreferenceProfile,
            headers(("etag" = String, description = "Names this state of the profile."))),
        (status = 201, description = "The profile was made.", body = PreferenceProfile,
            headers(("etag" = String, description = "Names this state of the profile."))),
        (status = 412, description = "The profile is not in the state that the headers expect.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        ProfileFailures,
    )
)]
pub(crate) async fn put(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ProfileRequest>,
) -> Result<Response, ApiError> {
    name::check(&name)?;
    let (store, scope) = (shared.store()?, caller.scope());
    let preference = by_name(request.preference, &shared.state)?;
    let preference = learned::to_json(&preference)?;
    let current = store.fresh_profile(&scope, &name).await?;
    let expected = precondition::expected(&headers, current.as_ref())?;
    let written = store.put_profile(&scope, &name, &preference, expected).await?;
    shown(if written.created { StatusCode::CREATED } else { StatusCode::OK }, &written.profile, &shared)
}

/// Delete all that is stored about a user: the profile, its choices, and the stored responses to requests with this name.
#[utoipa::path(
    delete, path = "/v1/preferences/profiles/{name}", tag = "Preferences", operation_id = "deleteProfile",
    params(
        ("name" = String, Path, description = "The profile's name."),
        ("if-match" = Option<String>, Header, description = "Only if the profile is in one of these states; `*`: if there is one."),
    ),
    responses(
        (status = 200, description = "All is deleted.", body = DeletedProfile),
        (status = 412, description = "The profile is not in the state that the headers expect.", body = ErrorBody),
        ProfileFailures,
    )
)]
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DeletedProfile>, ApiError> {
    name::check(&name)?;
    let (store, scope) = (shared.store()?, caller.scope());
    let current = store.fresh_profile(&scope, &name).await?;
    let expected = precondition::expected(&headers, current.as_ref())?;
    let deleted = store.delete_person(&scope, &name, expected).await?;
    shared.populations.forget(&scope);
    if deleted.is_nothing() {
        return Err(ApiError::profile_not_found(&name));
    }
    Ok(Json(DeletedProfile {
        object: ObjectKind::PreferenceProfile,
        name,
        deleted: true,
        choices: deleted.choices,
        responses: deleted.documents,
    }))
}

fn shown(status: StatusCode, profile: &Profile, shared: &Shared) -> Result<Response, ApiError> {
    let tag = [(header::ETAG, precondition::tag(profile.stamp))];
    Ok((status, tag, Json(wire_form::of(profile, shared)?)).into_response())
}

/// A preference as it is stored: with the names of dimensions, whose order another reward model need not have.
///
/// # Errors
/// 400 if it does not fit the reward model, or there is none.
fn by_name(preference: Preference, state: &AppState) -> Result<Preference, ApiError> {
    let Some(reward) = &state.reward else {
        let message = "`preference` is given, but this server has no reward model to steer with";
        return Err(ApiError::invalid("preference", message));
    };
    if let Preference::Principle(words) = &preference
        && words.len() > LONGEST_PRINCIPLE
    {
        let message =
            format!("`preference` has {} bytes; allowed: {LONGEST_PRINCIPLE} at most in a profile", words.len());
        return Err(ApiError::invalid("preference", message));
    }
    reward.model.resolve(&preference_input(Some(preference.clone())))?;
    Ok(match preference {
        Preference::Ordered(weights) => {
            let names = reward.model.dimensions().iter().map(|dimension| dimension.name.clone());
            Preference::Named(names.zip(weights).collect())
        }
        other => other,
    })
}
