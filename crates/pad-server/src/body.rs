//! A request's JSON body: bounded in length and time, read with the place of what is wrong.

use std::sync::Arc;

use axum::body::BodyDataStream;
use axum::extract::{FromRequest, Request};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::ApiError;
use crate::state::Shared;

/// Bytes beyond the limit that are still read, to no use: a client that is sending sees no answer, but a broken connection,
/// where the server closes on it.
const MOST_IGNORED: usize = 64 << 20;

/// The body as a `T`. The content type is not asked for: a body that is JSON is JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let body = request.into_body().into_data_stream();
        let limits = &shared.state.limits;
        let read = tokio::time::timeout(limits.body_time, read(body, limits.body_bytes)).await;
        let bytes = read.map_err(|_| ApiError::body_too_slow(limits.body_time.as_secs()))??;
        let parsed = pad_api::from_slice(&bytes)?;
        shared.unknown_fields.note(parsed.ignored);
        Ok(Self(parsed.value))
    }
}

async fn read(mut body: BodyDataStream, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| ApiError::invalid_code("body_incomplete", "the body ended early"))?;
        if bytes.len() + chunk.len() > limit {
            drop(bytes);
            ignore(body).await;
            return Err(ApiError::body_too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Read a body to its end, or for as long as is reasonable.
async fn ignore(mut body: BodyDataStream) {
    let mut ignored = 0;
    while let Some(Ok(chunk)) = body.next().await {
        ignored += chunk.len();
        if ignored > MOST_IGNORED {
            return;
        }
    }
}
