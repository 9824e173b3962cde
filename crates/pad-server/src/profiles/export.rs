//! `GET /v1/preferences/profiles/{name}/export`: all that is stored about a user.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use pad_api::{ObjectKind, ProfileExport, StoredText};
use pad_store::{Choice, StoredDocument};
use serde_json::{Value, json};

use super::{name, wire_form};
use crate::ApiError;
use crate::auth::Caller;
use crate::failures::ProfileFailures;
use crate::state::Shared;

/// Rows that are read at once.
const PAGE: u32 = 100;

/// Return all that is stored about a user: the profile, its choices, and the stored responses to requests with this name.
#[utoipa::path(
    get, path = "/v1/preferences/profiles/{name}/export", tag = "Preferences", operation_id = "exportProfile",
    params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 200, description = "What is stored.", body = ProfileExport), ProfileFailures)
)]
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<ProfileExport>, ApiError> {
    name::check(&name)?;
    let (store, scope) = (shared.store()?, caller.scope());
    // All of it is in memory for a while: one at a time counts as a request.
    let _place = caller.acquire()?;
    let profile = store.fresh_profile(&scope, &name).await?;
    let mut choices: Vec<Choice> = Vec::new();
    loop {
        let page = store.choices(&scope, &name, choices.last().map_or(0, |choice| choice.number), PAGE).await?;
        if page.is_empty() {
            break;
        }
        choices.extend(page);
    }
    let mut documents: Vec<StoredDocument> = Vec::new();
    loop {
        let page = store.documents_about(&scope, &name, documents.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        documents.extend(page);
    }
    if profile.is_none() && choices.is_empty() && documents.is_empty() {
        return Err(ApiError::profile_not_found(&name));
    }
    Ok(Json(ProfileExport {
        object: ObjectKind::ProfileExport,
        name,
        profile: profile.as_ref().map(|profile| wire_form::of(profile, &shared)).transpose()?,
        learned: profile.and_then(|profile| profile.learned),
        choices: choices.iter().map(choice).collect(),
        responses: documents.into_iter().map(response).collect(),
    }))
}

fn choice(choice: &Choice) -> Value {
    json!({
        "number": choice.number,
        "evidence": choice.evidence,
        "content": choice.content,
        "created_at": wire_form::seconds(choice.created_at),
        "undone_at": choice.undone_at.map(wire_form::seconds),
    })
}

fn response(document: StoredDocument) -> StoredText {
    StoredText {
        kind: document.kind,
        id: document.id,
        created_at: wire_form::seconds(document.created_at),
        expires_at: wire_form::seconds(document.expires_at),
        content: serde_json::from_str(&document.body).unwrap_or(Value::String(document.body)),
    }
}
