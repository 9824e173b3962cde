//! The check of each request's `Host` and `Origin`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::ApiError;
use crate::state::Shared;

/// Refuse requests with another number of hosts than one, and those that are sent to a name, or by a page, that is not allowed.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    shared.state.hosts.check(&request, &shared.state.origins)?;
    Ok(next.run(request).await)
}
