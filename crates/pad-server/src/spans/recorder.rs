//! Records one request while it is served.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pad_engine::RewardTime;

use super::{GenerationSpan, Phase, PhaseKind, RequestSpan, SpanSink, Spans, TraceContext};

/// Records one request, or nothing. An answer may be streamed long after its handler returned: the request is over when the last clone
/// is dropped.
#[derive(Clone, Default)]
pub(crate) struct SpanRecorder(Option<Arc<Recording>>);

/// What a request is called.
pub(crate) struct NamedRequest {
    /// Its name in the log.
    pub(crate) id: String,
    /// HTTP method.
    pub(crate) method: String,
    /// The route's path; none where there is no such route.
    pub(crate) route: Option<String>,
}

struct Recording {
    sink: Arc<dyn SpanSink>,
    /// The monotonic clock's time of arrival.
    arrived: Instant,
    span: Mutex<RequestSpan>,
}

impl Spans {
    /// The place of a request that brings none: a trace of its own, which this server records or not.
    pub(crate) fn begin(&self) -> TraceContext {
        TraceContext::new(rand::random::<f64>() < self.share)
    }

    /// Records a request that arrives now, if its place in the trace says so.
    pub(crate) fn record(&self, context: TraceContext, request: NamedRequest) -> SpanRecorder {
        if !context.sampled {
            return SpanRecorder::default();
        }
        let NamedRequest { id, method, route } = request;
        let span = RequestSpan {
            context,
            request_id: id,
            method,
            route,
            status: None,
            began: SystemTime::now(),
            took: Duration::ZERO,
            phases: Vec::new(),
            generation: None,
        };
        let sink = Arc::clone(&self.sink);
        SpanRecorder(Some(Arc::new(Recording { sink, arrived: Instant::now(), span: Mutex::new(span) })))
    }
}

impl SpanRecorder {
    /// The answer begins with this status.
    pub(crate) fn answered(&self, status: u16) {
        self.with(|span, _| span.status = Some(status));
    }

    /// The request went through a phase.
    pub(crate) fn phase(&self, kind: PhaseKind, from: Instant, to: Instant) {
        self.steered_phase(kind, from, to, RewardTime::default());
    }

    /// The request went through a phase in which reward lanes took so long; no longer than the phase itself: what a second choice waited
    /// before its first token may lie behind the first one's.
    pub(crate) fn steered_phase(&self, kind: PhaseKind, from: Instant, to: Instant, rewards: RewardTime) {
        self.with(|span, arrived| {
            let since = |moment: Instant| moment.saturating_duration_since(arrived);
            let (from, to) = (since(from), since(to));
            let rewards = RewardTime { spent: rewards.spent.min(to.saturating_sub(from)), ..rewards };
            span.phases.push(Phase { kind, from, to, rewards });
        });
    }

    /// All before this moment was preparation.
    pub(crate) fn prepared(&self, at: Instant) {
        if let Some(recording) = &self.0 {
            self.phase(PhaseKind::Prepare, recording.arrived, at);
        }
    }

    /// What was generated.
    pub(crate) fn generated(&self, generation: impl FnOnce() -> GenerationSpan) {
        self.with(|span, _| span.generation = Some(generation()));
    }

    fn with(&self, note: impl FnOnce(&mut RequestSpan, Instant)) {
        if let Some(recording) = &self.0 {
            let mut span = recording.span.lock().unwrap_or_else(PoisonError::into_inner);
            note(&mut span, recording.arrived);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let span = self.span.get_mut().unwrap_or_else(PoisonError::into_inner);
        span.took = self.arrived.elapsed();
        self.sink.take(span);
    }
}
