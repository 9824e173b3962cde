//! Spans: what became of each request and when, for a tracing system.
//!
//! Nothing is carried through the engine. A [`SpanRecorder`] goes along with a request, and once nobody holds it any more its
//! [`RequestSpan`] is handed to the server's [`SpanSink`], with the phases that the request went through.

mod context;
mod recorder;
mod request_span;

use std::fmt;
use std::sync::Arc;

pub use context::TraceContext;
pub(crate) use recorder::{NamedRequest, SpanRecorder};
pub use request_span::{GenerationSpan, Outcome, Phase, PhaseKind, RequestSpan};

/// Where spans go. Called on threads that serve requests: it must not wait.
pub trait SpanSink: Send + Sync {
    /// Take the span of a request that is over.
    fn take(&self, span: RequestSpan);
}

/// How requests are recorded.
#[derive(Clone)]
pub struct Spans {
    sink: Arc<dyn SpanSink>,
    share: f64,
}

impl Spans {
    /// All that is recorded goes to `sink`: requests whose caller records its own part of the trace, and of those that begin a trace
    /// the `share`, 0 to 1.
    pub fn new(sink: Arc<dyn SpanSink>, share: f64) -> Self {
        Self { sink, share }
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("share", &self.share).finish_non_exhaustive()
    }
}
