//! A request's JSON body: bounded in length, read with the place of what is wrong.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::ApiError;
use crate::state::Shared;

/// The body as a `T`. The content type is not asked for: a body that is JSON is JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, shared).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::body_too_large(shared.state.limits.body_bytes)
            } else {
                ApiError::invalid_code("body_incomplete", "the body ended early")
            }
        })?;
        let parsed = pad_api::from_slice(&bytes)?;
        shared.unknown_fields.note(parsed.ignored);
        Ok(Self(parsed.value))
    }
}
