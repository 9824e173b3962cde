//! Messages as server-sent events: `data: {json}`, comments during pauses, `data: [DONE]`.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;

use super::choices::Generation;
use super::frames::{Frame, Frames, StreamShape};

/// The stream's response. Its body owns the generation: dropped with it when the client goes away.
pub(crate) fn respond(generation: Generation, shape: impl StreamShape, keep_alive: Duration) -> Response {
    let events = stream::unfold(Frames::new(generation, shape), |mut frames| async move {
        let frame = frames.next().await?;
        Some((Ok::<_, Infallible>(event(frame)), frames))
    });
    let comments = KeepAlive::new().interval(keep_alive).text("keep-alive");
    // Proxies that buffer would hold the words back.
    let unbuffered = [("x-accel-buffering", "no")];
    (unbuffered, Sse::new(events).keep_alive(comments)).into_response()
}

fn event(frame: Frame) -> Event {
    match frame {
        Frame::Data { event: None, json } => Event::default().data(json),
        Frame::Data { event: Some(name), json } => Event::default().event(name).data(json),
        Frame::Done => Event::default().data("[DONE]"),
    }
}
