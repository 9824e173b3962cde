//! Traces as a receiver gets them: a small one here that decodes the protocol, one that is gone, and one that never answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use serde_json::{Value, json};

use crate::client::{Client, ask, with};
use crate::poll::until;
use crate::server::Server;

/// The trace that callers bring.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The same of a caller that does not record it.
const UNTRACED: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-00";

/// A receiver of OTLP over HTTP.
struct Receiver {
    address: String,
    received: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || while answer(&connection, &kept).is_some() {});
            }
        });
        Self { address, received }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans, with the attributes of what sent them.
    fn spans(&self) -> Vec<(BTreeMap<String, Value>, Span)> {
        let received = self.received.lock().expect("the spans");
        let of = |resource: &ResourceSpans| {
            let sender = attributes(&resource.resource.as_ref().expect("a resource").attributes);
            let spans: Vec<Span> = resource.scope_spans.iter().flat_map(|scope| scope.spans.clone()).collect();
            spans.into_iter().map(move |span| (sender.clone(), span)).collect::<Vec<_>>()
        };
        received.iter().flat_map(of).collect()
    }
}

/// Read one request of a connection and answer it; none at its end.
fn answer(mut connection: &TcpStream, received: &Mutex<Vec<ResourceSpans>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut head = Vec::new();
    for line in reader.by_ref().lines() {
        let line = line.ok()?.to_lowercase();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    assert_eq!(head.first()?, "post /v1/traces http/1.1");
    let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!(header("content-type:"), Some("application/x-protobuf"));
    let mut body = vec![0; header("content-length:")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(&body[..]).expect("the protocol");
    received.lock().expect("the spans").extend(request.resource_spans);
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, Value> {
    let plain = |value: &any_value::Value| match value {
        any_value::Value::StringValue(text) => json!(text),
        any_value::Value::IntValue(number) => json!(number),
        any_value::Value::DoubleValue(number) => json!(number),
        any_value::Value::ArrayValue(list) => {
            let texts = list.values.iter().filter_map(|item| match &item.value {
                Some(any_value::Value::StringValue(text)) => Some(json!(text)),
                _ => None,
            });
            texts.collect()
        }
        other => panic!("no attribute is {other:?}"),
    };
    let value = |pair: &KeyValue| pair.value.as_ref().and_then(|any| any.value.as_ref()).map_or(Value::Null, plain);
    all.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn nanos(span: &Span) -> u64 {
    span.end_time_unix_nano - span.start_time_unix_nano
}

/// The server's whole log after its end, which it came to by itself.
fn ended(server: &Server) -> String {
    server.terminate();
    let status = until("the process ends", || server.exit_status());
    assert_eq!(status.code(), Some(0), "{}", server.log());
    server.log()
}

#[test]
fn a_request_is_one_span_of_its_callers_trace_and_a_child_for_each_phase() {
    let receiver = Receiver::start();
    let url = receiver.url();
    let server = Server::start(
        &[],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_SERVICE_NAME", "under-test"),
            ("PAD_LOG__FORMAT", "json"),
        ],
    );
    let traced = server.client().with_header("traceparent", TRACED).with_header("x-request-id", "traced-7");
    // Long enough for what lies between the phases and the ends of the request to be small beside it.
    let body = with(
        ask("Tell me of the SECRET garden.", 96),
        json!({"preference": {"cheerful": 1}, "user": "SECRET-PERSON", "ignore_eos": true}),
    );
    let answer = traced.chat(&body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let usage = answer.json()["usage"].clone();
    let header = answer.headers["traceparent"].to_str().expect("text").to_owned();
    let untraced: Client = server.client().with_header("traceparent", UNTRACED);
    assert_eq!(untraced.chat(&ask("hi", 1)).status, 200);
    let stream = server.client().stream(&with(ask("hi", 4), json!({"response_format": {"type": "json_object"}})));
    drop(stream);
    let log = ended(&server);

    let all = receiver.spans();
    assert!(all.iter().all(|(sender, _)| sender["service.name"] == "under-test"), "{all:?}");
    let text = format!("{all:?}");
    assert!(!text.contains("SECRET") && !text.contains("garden"), "{text}");
    assert!(!text.contains("/ready"), "probes are not traced");
    let (ours, others): (Vec<Span>, Vec<Span>) =
        all.into_iter().map(|(_, span)| span).partition(|span| hex(&span.trace_id) == TRACE);

    let root = ours.iter().find(|span| span.kind == SpanKind::Server as i32).expect("the request's span");
    assert_eq!(root.name, "chat smollm2-135m-instruct");
    assert_eq!(hex(&root.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(header, format!("00-{TRACE}-{}-01", hex(&root.span_id)), "what follows from it comes below it");
    let said = attributes(&root.attributes);
    for (name, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.request.model", json!("smollm2-135m-instruct")),
        ("gen_ai.usage.input_tokens", usage["prompt_tokens"].clone()),
        ("gen_ai.usage.output_tokens", json!(96)),
        ("gen_ai.response.finish_reasons", json!(["length"])),
        ("pad.reward_lanes", json!(1)),
        ("pad.steered_tokens", usage["pad"]["steered_tokens"].clone()),
        ("pad.preference_source", json!("body")),
        ("pad.request_id", json!("traced-7")),
        ("http.route", json!("/v1/chat/completions")),
        ("http.response.status_code", json!(200)),
    ] {
        assert_eq!(said.get(name), Some(&value), "{name} of {said:?}");
    }
    let kl = |value: &Value| value.as_f64().expect("a number");
    assert!((kl(&said["pad.mean_kl"]) - kl(&usage["pad"]["mean_kl"])).abs() < 1e-9, "{said:?}");
    let children: Vec<&Span> = ours.iter().filter(|span| span.parent_span_id == root.span_id).collect();
    let names: Vec<&str> = children.iter().map(|span| span.name.as_str()).collect();
    assert_eq!((names.len(), ours.len()), (4, 7), "{names:?}");
    for name in ["prepare", "queue", "prefill", "decode"] {
        assert!(names.contains(&name), "{name} is none of {names:?}");
    }
    // A step for each token after the first one; the prompts are read in one step or some.
    for (name, steps) in [("prefill", 1..=9), ("decode", 95..=95)] {
        let phase = children.iter().find(|span| span.name == name).expect("the phase");
        let lanes = ours.iter().find(|span| span.parent_span_id == phase.span_id).expect("what reward lanes took");
        let ran = attributes(&lanes.attributes)["pad.steps"].as_i64().expect("a number");
        assert!(lanes.name == "reward lanes" && steps.contains(&ran), "{lanes:?}");
        assert!(nanos(lanes) > 0 && lanes.start_time_unix_nano == phase.start_time_unix_nano, "{lanes:?}");
        assert!(nanos(lanes) < nanos(phase), "the base lane takes time, too: {lanes:?} of {phase:?}");
    }
    let covered: u64 = children.iter().map(|span| nanos(span)).sum();
    assert!(covered * 100 >= nanos(root) * 95 && covered <= nanos(root), "{covered} of {}", nanos(root));

    let grammar = others.iter().find(|span| span.name == "grammar").expect("the stream has a form");
    let above = others.iter().find(|span| span.span_id == grammar.parent_span_id).expect("what it is a part of");
    assert_eq!((above.name.as_str(), others.len()), ("prepare", 6), "no span of {UNTRACED}");

    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for words in ["answered", "generated"] {
        let line = lines.iter().find(|line| line["message"] == words && line["request_id"] == "traced-7");
        assert_eq!(line.map(|line| line["trace_id"].clone()), Some(json!(TRACE)), "{words} in {log}");
    }
    assert!(!log.contains("SECRET"), "{log}");
}

#[test]
fn a_receiver_that_is_gone_costs_spans_and_nothing_else() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let server = Server::start(&[], &[("PAD_TRACES__ENDPOINT", format!("http://{free}").as_str())]);
    for _ in 0..3 {
        assert_eq!(server.client().chat(&ask("hi", 2)).status, 200);
    }
    let log = ended(&server);
    assert_eq!(log.matches("traces do not reach their receiver").count(), 1, "it is said once: {log}");
}

#[test]
fn a_receiver_that_never_answers_does_not_hold_the_end() {
    // Connections are taken by the system and read by nobody.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let server = Server::start(&[], &[("PAD_TRACES__ENDPOINT", url.as_str())]);
    for _ in 0..3 {
        assert_eq!(server.client().chat(&ask("hi", 2)).status, 200);
    }
    ended(&server);
    // Among the last lines of the log, which is read beside.
    until("it is said", || server.log().contains("the last spans were not sent").then_some(()));
    drop(silent);
}
