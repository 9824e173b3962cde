//! A request's JSON body: limited in size and time; errors name the place that is wrong.

use std::sync::Arc;

use axum::body::BodyDataStream;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::lifecycle::Phase;
use crate::state::Shared;
use crate::{ApiError, content};

/// Bytes beyond the limit that are still read, to no use: a client that is sending sees no answer, but a broken connection,
/// where the server closes on it.
const MOST_IGNORED: usize = 64 << 20;

/// The body as a `T`.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        let (body, limits) = (body.into_data_stream(), &shared.state.limits);
        if let Err(error) = content::check(&head.headers) {
            // What a client waits with, it need not send.
            if !head.headers.contains_key(header::EXPECT) {
                let _ = tokio::time::timeout(limits.body_time, ignore(body)).await;
            }
            return Err(error);
        }
        let expects = head.headers.contains_key(header::EXPECT);
        let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if expects && announced.is_some_and(|length: u64| length > limits.body_bytes as u64) {
            return Err(ApiError::body_too_large(limits.body_bytes));
        }
        let read = async {
            tokio::select! {
                biased;
                read = read(body, limits.body_bytes) => read,
                // A request that is not yet here is not taken any more.
                () = shared.state.lifecycle.reached(Phase::Draining) => Err(ApiError::draining()),
            }
        };
        let read = tokio::time::timeout(limits.body_time, read).await;
        let bytes = read.map_err(|_| ApiError::body_too_slow(limits.body_time.as_secs()))??;
        let parsed = pad_api::from_slice(&bytes)?;
        shared.unknown_fields.note(parsed.ignored);
        Ok(Self(parsed.value))
    }
}

async fn read(mut body: BodyDataStream, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk
            .map_err(|_| ApiError::invalid_code("body_incomplete", "the body ended early, or its framing is wrong"))?;
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
