//! Where spans go, and which requests are recorded.

use std::sync::Arc;

use super::RequestSpan;

/// Where spans go. Called on threads that serve requests: it must not wait.
pub trait SpanSink: Send + Sync {
    /// Take note of the span of a request that is over.
    fn take(&self, span: &RequestSpan);
}

/// How requests are recorded.
#[derive(Clone)]
pub struct Spans {
    /// All that is recorded goes there.
    pub(super) sink: Arc<dyn SpanSink>,
    /// The share of requests that are recorded, of those that begin a trace.
    pub(super) share: f64,
}

impl Spans {
    /// All that is recorded goes to `sink`: requests whose caller records its own part of the trace, and of those that begin a trace
    /// the `share`, 0 to 1.
    pub fn new(sink: Arc<dyn SpanSink>, share: f64) -> Self {
        Self { sink, share }
    }
}
