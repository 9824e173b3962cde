//! The body of an answer, which keeps its connection from being idle.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::places::Answering;

struct AnswerBody {
    body: Body,
    _answering: Answering,
}

/// The same response; `answering` lives as long as its body.
pub(super) fn hold(response: Response, answering: Answering) -> Response {
    response.map(|body| Body::new(AnswerBody { body, _answering: answering }))
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
