//! Spans: what became of each request and when, for a tracing system.
//!
//! Nothing is carried through the engine. A [`SpanRecorder`] goes along with a request, and once nobody holds it any more its
//! [`RequestSpan`] is handed to the server's [`SpanSink`], with the phases that the request went through.

mod context;
mod recorder;
mod request_span;
mod sink;

pub use context::TraceContext;
pub(crate) use recorder::{NamedRequest, SpanRecorder};
pub use request_span::{GenerationSpan, Outcome, Phase, PhaseKind, RequestSpan};
pub use sink::{SpanSink, Spans};
