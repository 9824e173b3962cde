//! A request as the spans of OpenTelemetry: one of the server's kind, and one below it for each phase.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use pad_server::{Phase, PhaseKind, RequestSpan};

use super::attributes::{attributes, fault, name};

/// The spans of a request, children first.
pub fn spans(span: &RequestSpan) -> Vec<SpanData> {
    let trace = TraceId::from_bytes(span.context.trace_id.to_be_bytes());
    let root = id(span.context.span_id);
    let child = |phase: &Phase, below: SpanId| SpanData {
        parent_span_id: below,
        span_kind: SpanKind::Internal,
        ..timed(
            trace,
            RandomIdGenerator::default().new_span_id(),
            title(phase.kind),
            (span.began + phase.from, span.began + phase.to),
        )
    };
    let mut all = Vec::with_capacity(span.phases.len() + 1);
    // A part of the preparation is below it, if that came to its end.
    let preparation = span.phases.iter().find(|phase| phase.kind == PhaseKind::Prepare).map(|phase| child(phase, root));
    let within = preparation.as_ref().map_or(root, |span| span.span_context.span_id());
    for phase in &span.phases {
        match phase.kind {
            PhaseKind::Prepare => {}
            PhaseKind::Grammar => all.push(child(phase, within)),
            PhaseKind::Queue | PhaseKind::Prefill | PhaseKind::Decode => all.push(child(phase, root)),
        }
    }
    all.extend(preparation);
    all.push(SpanData {
        parent_span_id: span.context.parent_id.map_or(SpanId::INVALID, id),
        parent_span_is_remote: span.context.parent_id.is_some(),
        span_kind: SpanKind::Server,
        attributes: attributes(span),
        status: fault(span).map_or(Status::Unset, Status::error),
        ..timed(trace, root, name(span), (span.began, span.began + span.took))
    });
    all
}

fn timed(
    trace: TraceId,
    span: SpanId,
    name: impl Into<Cow<'static, str>>,
    (start_time, end_time): (SystemTime, SystemTime),
) -> SpanData {
    SpanData {
        span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time,
        end_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("pad").with_version(env!("CARGO_PKG_VERSION")).build(),
    }
}

fn title(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Prepare => "prepare",
        PhaseKind::Grammar => "grammar",
        PhaseKind::Queue => "queue",
        PhaseKind::Prefill => "prefill",
        PhaseKind::Decode => "decode",
    }
}

fn id(number: u64) -> SpanId {
    SpanId::from_bytes(number.to_be_bytes())
}
