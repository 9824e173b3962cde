//! Chunks as server-sent events: `data: {json}`, comments while nothing comes, `data: [DONE]`.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;

use super::chunks::{Chunks, Frame};
use crate::ApiError;

/// The stream's response. Its body owns the generation: dropped with it when the client goes away.
pub(crate) fn respond(chunks: Chunks, keep_alive: Duration) -> Response {
    let events = stream::unfold(chunks, |mut chunks| async move {
        let frame = chunks.next().await?;
        Some((Ok::<_, Infallible>(event(&frame)), chunks))
    });
    let comments = KeepAlive::new().interval(keep_alive).text("keep-alive");
    // Proxies that buffer would hold the words back.
    let unbuffered = [("x-accel-buffering", "no")];
    (unbuffered, Sse::new(events).keep_alive(comments)).into_response()
}

fn event(frame: &Frame) -> Event {
    let data = match frame {
        Frame::Chunk(chunk) => serde_json::to_string(chunk),
        Frame::Error(error) => serde_json::to_string(error),
        Frame::Done => Ok("[DONE]".to_owned()),
    };
    // JSON has no line breaks, so the data is one line.
    Event::default().data(data.unwrap_or_else(|error| {
        tracing::error!(%error, "a chunk could not be written");
        serde_json::to_string(&ApiError::internal("a chunk could not be written").body()).unwrap_or_default()
    }))
}
