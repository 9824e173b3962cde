//! `GET /v1/preferences/profiles`: the stored profiles, a page at a time.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use pad_api::{ObjectKind, ProfileList, ProfilePage};

use super::wire_form;
use crate::ApiError;
use crate::auth::Caller;
use crate::failures::ProfileFailures;
use crate::generation::range::within;
use crate::state::Shared;

/// Profiles of a page where a request does not say.
const LIMIT: u64 = 20;
/// Profiles of a page that a request may ask for.
const MOST: u64 = 100;

/// List the stored profiles, in the order of their names.
#[utoipa::path(
    get, path = "/v1/preferences/profiles", tag = "Preferences", operation_id = "listProfiles",
    params(
        ("after" = Option<String>, Query, description = "The name after which the page starts."),
        ("limit" = Option<u64>, Query, description = "Profiles per page: 1 to 100; default 20."),
    ),
    responses((status = 200, description = "The profiles.", body = ProfileList), ProfileFailures)
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    page: Result<Query<ProfilePage>, QueryRejection>,
) -> Result<Json<ProfileList>, ApiError> {
    let Query(page) = page.map_err(|error| ApiError::invalid("query", error.body_text()))?;
    let limit = within("limit", page.limit.unwrap_or(LIMIT), &(1..=MOST))? as usize;
    // One more tells whether there are more.
    let found = shared.store()?.profiles(&caller.scope(), page.after.as_deref(), limit as u32 + 1).await?;
    let has_more = found.len() > limit;
    let data =
        found.iter().take(limit).map(|profile| wire_form::of(profile, &shared)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(ProfileList {
        object: ObjectKind::List,
        first_id: data.first().map(|profile| profile.name.clone()),
        last_id: data.last().map(|profile| profile.name.clone()),
        has_more,
        data,
    }))
}
