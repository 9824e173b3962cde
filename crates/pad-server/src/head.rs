//! The size of a request's head. hyper limits only its buffer, so it may accept a larger head that arrives at once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::ApiError;
use crate::state::Shared;

/// Header lines of a request; more are answered with 431.
pub(crate) const MOST_HEADERS: usize = 100;

/// Refuse a request whose head is larger than the limit.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let limit = shared.state.limits.head_bytes;
    if size(&request) > limit {
        return Err(ApiError::head_too_large(limit, MOST_HEADERS));
    }
    Ok(next.run(request).await)
}

/// Bytes of the head: `METHOD TARGET HTTP/1.1`, a line for each header, an empty line.
fn size(request: &Request) -> usize {
    let target = request.uri();
    let authority = target.authority().map_or(0, |authority| authority.as_str().len() + "http://".len());
    let path = target.path_and_query().map_or(0, |path| path.as_str().len());
    let first = request.method().as_str().len() + authority + path + "  HTTP/1.1\r\n".len();
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    first + lines.sum::<usize>() + "\r\n".len()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_head_is_as_large_as_its_text() {
        for text in ["GET /v1/models?a=b HTTP/1.1\r\nhost: pad\r\nx-y: z\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"] {
            let mut lines = text.split("\r\n");
            let mut first = lines.next().unwrap().split(' ');
            let mut request = Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
            for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
                request = request.header(name, value);
            }
            assert_eq!(size(&request.body(Body::empty()).unwrap()), text.len());
        }
    }
}
