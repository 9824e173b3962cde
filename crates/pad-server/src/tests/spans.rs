//! What is recorded of requests, for traces.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::client::{Answer, chat, get, hello, post, post_chat, send};
use super::model::{ANSWER, Behaviour, Gate};
use super::server::state;
use crate::{Outcome, Phase, PhaseKind, RequestSpan, SpanSink, Spans};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Keeps what is recorded.
#[derive(Default)]
struct Kept(Mutex<Vec<RequestSpan>>);

impl SpanSink for Kept {
    fn take(&self, span: &RequestSpan) {
        self.0.lock().expect("the spans").push(span.clone());
    }
}

impl Kept {
    fn all(&self) -> Vec<RequestSpan> {
        self.0.lock().expect("the spans").clone()
    }

    /// The one span that there is.
    fn only(&self) -> RequestSpan {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

/// A server that records this share of what brings no trace.
fn recorded(behaviour: Behaviour, share: f64) -> (Router, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let spans = Spans::new(Arc::clone(&kept) as Arc<dyn SpanSink>, share);
    (crate::app(crate::AppState { spans: Some(spans), ..state(behaviour) }), kept)
}

fn kinds(span: &RequestSpan) -> Vec<PhaseKind> {
    span.phases.iter().map(|phase| phase.kind).collect()
}

/// A request that its caller traces, or not, by these flags.
fn traced<B>(mut request: Request<B>, flags: &str) -> Request<B> {
    let header = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
    request.headers_mut().insert("traceparent", header.parse().expect("a header"));
    request
}

fn traceparent(answer: &Answer) -> &str {
    answer.headers["traceparent"].to_str().expect("text")
}

#[tokio::test]
async fn a_request_is_recorded_with_its_phases_one_after_another() {
    let (app, kept) = recorded(Behaviour::default(), 1.0);
    let mut request = traced(post_chat(hello(json!({"preference": {"loud": 1}, "n": 2})).to_string()), "01");
    request.headers_mut().insert("x-request-id", "named-8".parse().expect("a header"));
    let answer = send(&app, request).await;
    let span = kept.only();
    assert_eq!((span.request_id.as_str(), span.method.as_str(), span.status), ("named-8", "POST", Some(200)));
    assert_eq!(span.route.as_deref(), Some("/v1/chat/completions"));
    assert_eq!(span.context.parent_id, Some(0x00f0_67aa_0ba9_02b7));
    assert_eq!(traceparent(&answer), format!("00-{TRACE}-{:016x}-01", span.context.span_id));
    assert_eq!(kinds(&span), [PhaseKind::Prepare, PhaseKind::Queue, PhaseKind::Prefill, PhaseKind::Decode]);
    assert_eq!(span.phases[0].from, Duration::ZERO);
    assert!(span.phases.windows(2).all(|two| two[0].to == two[1].from), "{:?}", span.phases);
    assert!(span.phases.iter().all(|phase| phase.from <= phase.to && phase.to <= span.took), "{span:?}");
    // Both choices read their prompts, and each token of theirs is steered by a lane.
    let steps: Vec<u64> = span.phases.iter().map(|phase| phase.rewards.steps).collect();
    assert_eq!(steps, [0, 0, 1, ANSWER.len() as u64], "{:?}", span.phases);
    assert!(span.phases.iter().all(|phase| phase.from + phase.rewards.spent <= phase.to), "{:?}", span.phases);
    assert!(span.phases[2..].iter().all(|phase| !phase.rewards.spent.is_zero()), "{:?}", span.phases);
    let generation = span.generation.expect("something was generated");
    let usage = serde_json::to_string(&generation.usage).expect("JSON");
    let usage: Value = serde_json::from_str(&usage).expect("JSON");
    assert_eq!(usage, answer.json()["usage"], "the answer says the same");
    assert_eq!((generation.model.as_str(), generation.choices), ("lab/parrot", 2));
    let reasons: Vec<&str> = generation.finish_reasons.iter().map(|reason| reason.as_str()).collect();
    assert_eq!((generation.outcome, reasons), (Outcome::Complete, vec!["stop", "stop"]));
}

#[tokio::test]
async fn a_stream_is_recorded_when_it_has_ended() {
    let gate = Gate::after(2);
    let (app, kept) = recorded(Behaviour { gate: gate.clone(), ..Behaviour::default() }, 1.0);
    let body = hello(json!({"stream": true})).to_string();
    let response = app.oneshot(post_chat(body)).await.expect("an answer");
    let mut stream = response.into_body().into_data_stream();
    assert!(stream.next().await.is_some());
    assert!(kept.all().is_empty(), "it goes on");
    gate.open();
    while stream.next().await.is_some() {}
    let span = kept.only();
    assert_eq!((span.context.parent_id, span.phases.len()), (None, 4), "a trace of its own");
    assert!(span.phases.iter().all(|phase| phase.rewards.steps == 0), "no reward lane: {:?}", span.phases);
    let generation = span.generation.expect("something was generated");
    assert_eq!(generation.usage.completion_tokens as usize, ANSWER.len() + 1);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_on_is_disconnected() {
    let gate = Gate::after(2);
    let (app, kept) = recorded(Behaviour { gate: gate.clone(), ..Behaviour::default() }, 1.0);
    let response = app.oneshot(post_chat(hello(json!({"stream": true})).to_string())).await.expect("an answer");
    let mut stream = response.into_body().into_data_stream();
    assert!(stream.next().await.is_some());
    drop(stream);
    gate.open();
    let span = kept.only();
    assert_eq!(span.generation.as_ref().map(|generation| generation.outcome), Some(Outcome::Disconnected));
    assert_eq!(span.status, Some(200));
}

#[tokio::test]
async fn what_fails_or_is_refused_is_recorded_as_far_as_it_came() {
    let (app, kept) = recorded(Behaviour { fail_after: Some(b'h'), ..Behaviour::default() }, 1.0);
    assert_eq!(chat(&app, json!({})).await.status.as_u16(), 500);
    let span = kept.only();
    assert_eq!((span.status, kinds(&span).len()), (Some(500), 4));
    assert_eq!(span.generation.map(|generation| generation.outcome), Some(Outcome::Failed));

    let (app, kept) = recorded(Behaviour::default(), 1.0);
    chat(&app, json!({"temperature": -1})).await;
    let span = kept.only();
    assert_eq!((span.status, span.phases.as_slice(), span.generation), (Some(400), &[][..], None));
}

#[tokio::test]
async fn what_generates_nothing_waits_in_no_queue() {
    let (app, kept) = recorded(Behaviour::default(), 1.0);
    let body = json!({"model": "lab/parrot", "prompt": "hello", "max_tokens": 0, "echo": true});
    assert_eq!(send(&app, post("/v1/completions", body.to_string())).await.status.as_u16(), 200);
    assert_eq!(kinds(&kept.only()), [PhaseKind::Prepare]);
}

#[tokio::test]
async fn a_grammar_is_a_part_of_the_preparation() {
    let (app, kept) = recorded(Behaviour::default(), 1.0);
    chat(&app, json!({"response_format": {"type": "json_object"}, "max_tokens": 4})).await;
    let span = kept.only();
    let phase = |kind| -> Phase { *span.phases.iter().find(|phase| phase.kind == kind).expect("the phase") };
    let (grammar, prepare) = (phase(PhaseKind::Grammar), phase(PhaseKind::Prepare));
    assert!(prepare.from <= grammar.from && grammar.from < grammar.to && grammar.to <= prepare.to, "{span:?}");
}

#[tokio::test]
async fn callers_say_whether_a_request_is_recorded_and_the_share_decides_of_the_others() {
    let body = || post("/tokenize", json!({"prompt": "hello"}).to_string());
    let (app, kept) = recorded(Behaviour::default(), 0.0);
    let unasked = send(&app, body()).await;
    assert!(traceparent(&unasked).ends_with("-00"), "it has a trace, for the log");
    let refused = send(&app, traced(body(), "00")).await;
    assert!(traceparent(&refused).starts_with(&format!("00-{TRACE}-")) && traceparent(&refused).ends_with("-00"));
    assert!(kept.all().is_empty());
    send(&app, traced(body(), "01")).await;
    assert_eq!(kept.only().route.as_deref(), Some("/tokenize"));

    let (app, kept) = recorded(Behaviour::default(), 1.0);
    for path in ["/health", "/ready", "/metrics"] {
        assert!(!get(&app, path).await.headers.contains_key("traceparent"), "{path}");
    }
    assert!(kept.all().is_empty(), "probes are not traced");
    get(&app, "/v1/preferences/profiles/alice").await;
    assert_eq!(kept.only().route.as_deref(), Some("/v1/preferences/profiles/{name}"), "no name of a user");
}

#[tokio::test]
async fn without_a_tracing_system_a_trace_is_only_passed_on() {
    let app = crate::app(state(Behaviour::default()));
    assert!(!chat(&app, json!({})).await.headers.contains_key("traceparent"));
    let answer = send(&app, traced(post_chat(hello(Value::Null).to_string()), "01")).await;
    assert!(traceparent(&answer).starts_with(&format!("00-{TRACE}-")), "the same trace");
    assert!(traceparent(&answer).ends_with("-00"), "which this server does not record");
}
