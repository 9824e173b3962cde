//! Stored responses, which later ones may continue.

use pad_api::Response;
use pad_store::{Document, Scope, StoreError};
use pad_text::Message;
use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::state::Shared;

/// What the store calls them.
const KIND: &str = "response";

/// A response, and the conversation up to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredResponse {
    pub(crate) response: Response,
    pub(crate) conversation: Vec<Message>,
    /// The user that it is about; in a column of its own.
    #[serde(skip)]
    pub(crate) person: Option<String>,
}

/// Whose responses these are.
#[derive(Clone, Debug)]
pub(super) struct ResponseOwner {
    pub(super) scope: Scope,
    /// The user that a response is about, with whose profile it is exported and deleted.
    pub(super) person: Option<String>,
}

/// Keep a response; whether it is kept. A database that does not answer loses no answer that was generated.
pub(super) async fn keep(shared: &Shared, owner: &ResponseOwner, stored: &StoredResponse) -> bool {
    let Some(store) = &shared.state.store else { return false };
    let body = match serde_json::to_string(stored) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a response could not be written");
            return false;
        }
    };
    let (id, person) = (stored.response.id.clone(), owner.person.clone());
    let lifetime = shared.state.limits.responses_kept;
    let kept = store.keep(&owner.scope, Document { kind: KIND, id, person, body, lifetime }).await;
    kept.unwrap_or_else(|error| {
        tracing::warn!(%error, "a response is not stored");
        false
    })
}

/// The response of this id.
///
/// # Errors
/// 404 if there is none of this scope, 503 if the database does not answer.
pub(crate) async fn find(shared: &Shared, scope: &Scope, id: &str) -> Result<StoredResponse, ApiError> {
    let missing = || ApiError::response_not_found(id);
    let store = shared.state.store.as_ref().ok_or_else(missing)?;
    let found = store.document(scope, KIND, id).await?.ok_or_else(missing)?;
    let stored: StoredResponse = serde_json::from_str(&found.body).map_err(StoreError::from)?;
    Ok(StoredResponse { person: found.person, ..stored })
}

/// Forget the response of this id.
///
/// # Errors
/// 404 if there is none of this scope, 503 if the database does not answer.
pub(super) async fn forget(shared: &Shared, scope: &Scope, id: &str) -> Result<(), ApiError> {
    let missing = || ApiError::response_not_found(id);
    let store = shared.state.store.as_ref().ok_or_else(missing)?;
    if store.forget(scope, KIND, id).await? { Ok(()) } else { Err(missing()) }
}
