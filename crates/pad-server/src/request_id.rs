//! `x-request-id` and `traceparent`: taken from the client or made here, sent back, and shown in every log line of the request.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::{Empty, display};

use crate::Spans;
use crate::probes::PROBES;
use crate::spans::{NamedRequest, SpanRecorder, TraceContext};
use crate::state::Shared;

/// The header's name.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer names of clients' requests are replaced: they would fill the logs.
const LONGEST: usize = 128;

/// A request's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The client's name for the request where it is printable and short, a random one otherwise.
    fn of(request: &Request) -> Self {
        let given = request.headers().get(HEADER).filter(|value| {
            value.len() <= LONGEST && !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        Self(given.cloned().unwrap_or_else(|| named(&random())))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Name the request of an answer that is given before the request is looked at.
pub(crate) fn name(response: &mut Response) {
    response.headers_mut().insert(HEADER, named(&random()));
}

fn named(name: &str) -> HeaderValue {
    HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static("req"))
}

/// A name for a request that has none.
pub(crate) fn random() -> String {
    format!("req-{:032x}", rand::random::<u128>())
}

/// Name the request, run it in a span of that name, log its outcome, and name it to the client. With its place in a trace, if it has one.
pub(crate) async fn name_request(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    let path = logged_path(request.uri().path());
    let span = tracing::info_span!("request", request_id = %id, trace_id = Empty, method = %request.method(), path);
    let context = trace_context(&shared, &request);
    if let Some(context) = context {
        span.record("trace_id", display(format_args!("{:032x}", context.trace_id)));
    }
    let recorder = recorder(&shared, context, &id, &request);
    request.extensions_mut().insert(recorder.clone());
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    recorder.answered(status);
    span.in_scope(|| tracing::info!(status, millis = begun.elapsed().as_millis() as u64, "answered"));
    response.headers_mut().insert(HEADER, id.0);
    if let Some(header) = context.and_then(|context| context.header()) {
        response.headers_mut().insert(TraceContext::HEADER, header);
    }
    response
}

/// The request's place in a trace: the one that it brings or, where requests are recorded, a new one. Only a server that records marks
/// it as recorded.
fn trace_context(shared: &Shared, request: &Request) -> Option<TraceContext> {
    let spans = shared.state.spans.as_ref();
    if let Some(given) = TraceContext::given(request.headers()) {
        return Some(TraceContext { sampled: given.sampled && spans.is_some(), ..given });
    }
    spans.filter(|_| !PROBES.contains(&request.uri().path())).map(Spans::begin)
}

fn recorder(shared: &Shared, context: Option<TraceContext>, id: &RequestId, request: &Request) -> SpanRecorder {
    let (Some(spans), Some(context)) = (&shared.state.spans, context) else { return SpanRecorder::default() };
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    spans.record(context, NamedRequest { id: id.to_string(), method: request.method().to_string(), route })
}

/// A path as the log shows it. What follows here is the name of a user.
fn logged_path(path: &str) -> &str {
    const PROFILES: &str = "/v1/preferences/profiles/";
    if path.starts_with(PROFILES) { "/v1/preferences/profiles/{name}" } else { path }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn id_for(given: &str) -> String {
        let request = Request::builder().header(HEADER, given).body(Body::empty()).expect("a request");
        RequestId::of(&request).to_string()
    }

    #[test]
    fn users_are_not_named_in_the_log() {
        for path in ["/v1/preferences/profiles/alice", "/v1/preferences/profiles/a%40b/export"] {
            assert_eq!(logged_path(path), "/v1/preferences/profiles/{name}");
        }
        for path in ["/v1/preferences/profiles", "/v1/models/alice"] {
            assert_eq!(logged_path(path), path);
        }
    }

    #[test]
    fn a_clients_name_is_kept_where_it_can_be_logged() {
        assert_eq!(id_for("trace-7"), "trace-7");
        for unfit in ["", "two words", "tab\there", &"x".repeat(LONGEST + 1)] {
            assert!(id_for(unfit).starts_with("req-"), "{unfit:?}");
        }
        assert_ne!(id_for(""), id_for(""), "made-up names differ");
    }
}
