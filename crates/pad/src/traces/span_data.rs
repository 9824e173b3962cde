//! A request as the spans of OpenTelemetry: one of the server's kind, one below it for each phase, and below those what they contain.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use pad_server::{Phase, PhaseKind, RequestSpan};

use super::attributes::{attributes, fault, name};

/// The spans of a request, children first.
pub fn spans(span: &RequestSpan) -> Vec<SpanData> {
    let trace = TraceId::from_bytes(span.context.trace_id.to_be_bytes());
    let root = id(span.context.span_id);
    let child = |phase: &Phase, below: SpanId| {
        let times = (span.began + phase.from, span.began + phase.to);
        SpanData { parent_span_id: below, ..timed(trace, new_id(), title(phase.kind), times) }
    };
    let mut all = Vec::with_capacity(2 * span.phases.len() + 1);
    // A part of the preparation is below it, if that came to its end.
    let preparation = span.phases.iter().find(|phase| phase.kind == PhaseKind::Prepare).map(|phase| child(phase, root));
    let within = preparation.as_ref().map_or(root, |span| span.span_context.span_id());
    for phase in &span.phases {
        match phase.kind {
            PhaseKind::Prepare => {}
            PhaseKind::Grammar => all.push(child(phase, within)),
            PhaseKind::Queue | PhaseKind::Prefill | PhaseKind::Decode => {
                let child = child(phase, root);
                all.extend(reward_lanes(span, phase, &child));
                all.push(child);
            }
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

/// What reward lanes took of a phase. They run in its steps, together with the base lane: the span is the sum of their time in these
/// steps, as if that came first.
fn reward_lanes(span: &RequestSpan, phase: &Phase, within: &SpanData) -> Option<SpanData> {
    if phase.rewards.steps == 0 {
        return None;
    }
    let from = span.began + phase.from;
    let steps = i64::try_from(phase.rewards.steps).unwrap_or(i64::MAX);
    Some(SpanData {
        parent_span_id: within.span_context.span_id(),
        attributes: vec![KeyValue::new("pad.steps", steps)],
        ..timed(within.span_context.trace_id(), new_id(), "reward lanes", (from, from + phase.rewards.spent))
    })
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

fn new_id() -> SpanId {
    RandomIdGenerator::default().new_span_id()
}

fn id(number: u64) -> SpanId {
    SpanId::from_bytes(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pad_engine::RewardTime;
    use pad_server::{GenerationSpan, Outcome, TraceContext};

    use super::*;

    fn request(kinds: &[PhaseKind], status: Option<u16>, outcome: Option<Outcome>) -> RequestSpan {
        let millis = Duration::from_millis;
        let rewards = |kind| match kind {
            PhaseKind::Decode => RewardTime { spent: millis(1), steps: 7 },
            _ => RewardTime::default(),
        };
        let phase = |kind: &PhaseKind| Phase { kind: *kind, from: millis(2), to: millis(5), rewards: rewards(*kind) };
        let generation = outcome.map(|outcome| GenerationSpan {
            model: "parrot".to_owned(),
            outcome,
            choices: 1,
            finish_reasons: Vec::new(),
            usage: serde_json::from_value(serde_json::json!({
                "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 2},
                "pad": {"reward_lanes": 1, "steered_tokens": 2, "mean_kl": 0.5, "preference_source": "profile"},
            }))
            .expect("a usage"),
        });
        RequestSpan {
            context: TraceContext { trace_id: 0xabc, parent_id: Some(0x12), span_id: 0x34, sampled: true },
            request_id: "r-1".to_owned(),
            method: "POST".to_owned(),
            route: Some("/v1/completions".to_owned()),
            status,
            began: SystemTime::UNIX_EPOCH,
            took: millis(9),
            phases: kinds.iter().map(phase).collect(),
            generation,
        }
    }

    fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
    }

    fn attribute(span: &SpanData, name: &str) -> Option<String> {
        span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
    }

    #[test]
    fn a_grammar_is_below_the_preparation_and_phases_are_below_the_request() {
        let spans = super::spans(&request(
            &[PhaseKind::Grammar, PhaseKind::Prepare, PhaseKind::Decode],
            Some(200),
            Some(Outcome::Complete),
        ));
        let root = named(&spans, "text_completion parrot");
        assert_eq!((root.parent_span_id, root.span_context.span_id()), (id(0x12), id(0x34)));
        assert!(spans.iter().all(|span| span.span_context.trace_id() == TraceId::from_bytes(0xabc_u128.to_be_bytes())));
        let (prepare, decode) = (named(&spans, "prepare"), named(&spans, "decode"));
        assert_eq!((prepare.parent_span_id, decode.parent_span_id), (id(0x34), id(0x34)));
        assert_eq!(named(&spans, "grammar").parent_span_id, prepare.span_context.span_id());
        assert_eq!(decode.start_time, SystemTime::UNIX_EPOCH + Duration::from_millis(2));
        assert_eq!(decode.end_time, SystemTime::UNIX_EPOCH + Duration::from_millis(5));
        let lanes = named(&spans, "reward lanes");
        assert_eq!(
            (lanes.parent_span_id, attribute(lanes, "pad.steps").as_deref()),
            (decode.span_context.span_id(), Some("7"))
        );
        assert_eq!(lanes.end_time.duration_since(decode.start_time).expect("a time"), Duration::from_millis(1));
        assert_eq!((spans.len(), lanes.start_time), (5, decode.start_time), "no other phase has some");
        assert_eq!((root.status.clone(), attribute(root, "error.type")), (Status::Unset, None));
        for (name, value) in [
            ("gen_ai.usage.input_tokens", "7"),
            ("gen_ai.usage.cache_read.input_tokens", "2"),
            ("gen_ai.usage.output_tokens", "3"),
            ("pad.preference_source", "profile"),
        ] {
            assert_eq!(attribute(root, name).as_deref(), Some(value), "{name}");
        }
        // Of a grammar that was refused, the preparation never ended.
        let refused = super::spans(&request(&[PhaseKind::Grammar], Some(400), None));
        assert_eq!(named(&refused, "grammar").parent_span_id, id(0x34));
        assert_eq!(attribute(named(&refused, "POST /v1/completions"), "error.type").as_deref(), Some("400"));
    }

    #[test]
    fn faults_are_the_servers_and_the_rest_is_named_only() {
        let end = |status, outcome| {
            let root = spans(&request(&[], status, outcome)).pop().expect("the request's span");
            (root.status != Status::Unset, attribute(&root, "error.type"))
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(end(Some(200), Some(Outcome::Failed)), (true, named("failed")), "in the middle of a stream");
        assert_eq!(end(Some(503), None), (true, named("503")));
        assert_eq!(end(Some(404), None), (false, named("404")));
        assert_eq!(end(Some(200), Some(Outcome::Disconnected)), (false, named("disconnected")));
        assert_eq!(end(None, None), (false, named("disconnected")));
        assert_eq!(end(Some(200), Some(Outcome::Complete)), (false, None));
    }
}
