//! Converts errors made by a library into OpenAI's shape.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::ApiError;

/// A library's error says what is wrong in a line.
const LONGEST: usize = 4096;

/// Answer, and where the answer is an error without the shape, give it the shape. Its headers stay, such as `allow`.
pub(crate) async fn shape(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        return response;
    }
    let (head, body) = response.into_parts();
    let said = to_bytes(body, LONGEST).await.unwrap_or_default();
    let message = String::from_utf8(said.to_vec()).ok().filter(|message| !message.trim().is_empty());
    let message = message.unwrap_or_else(|| status.canonical_reason().unwrap_or("the request failed").to_owned());
    let mut shaped = ApiError::other(status, message).into_response();
    for (name, value) in &head.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            shaped.headers_mut().append(name, value.clone());
        }
    }
    shaped
}
