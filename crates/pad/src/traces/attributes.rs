//! What spans say of a request, in the names of OpenTelemetry's semantic conventions (HTTP, generative AI), and `pad.` for the rest.

use opentelemetry::{Array, KeyValue, StringValue, Value};
use pad_server::{GenerationSpan, Outcome, RequestSpan};

/// Methods that a span names; others come from clients that send anything.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// HTTP statuses from here on are the server's fault.
const SERVER_ERRORS: u16 = 500;

/// HTTP statuses from here on are errors.
const ERRORS: u16 = 400;

/// The span's name: `chat MODEL` where something was generated, else the method and the route.
pub fn name(span: &RequestSpan) -> String {
    let (method, route) = (method(span), span.route.as_deref());
    match (&span.generation, route) {
        (Some(generation), _) => format!("{} {}", operation(span), generation.model),
        (None, Some(route)) => format!("{method} {route}"),
        (None, None) => method.to_owned(),
    }
}

/// Why the request is a fault of the server, if it is.
pub fn fault(span: &RequestSpan) -> Option<&'static str> {
    let failed = span.generation.as_ref().is_some_and(|generation| generation.outcome == Outcome::Failed);
    let refused = span.status.is_some_and(|status| status >= SERVER_ERRORS);
    (failed || refused).then_some(if failed { "the generation failed" } else { "the request was not answered" })
}

/// The attributes of a request's span.
pub fn attributes(span: &RequestSpan) -> Vec<KeyValue> {
    let mut all = vec![
        KeyValue::new("http.request.method", method(span)),
        KeyValue::new("pad.request_id", span.request_id.clone()),
    ];
    all.extend(span.route.clone().map(|route| KeyValue::new("http.route", route)));
    all.extend(span.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    all.extend(error_type(span).map(|error| KeyValue::new("error.type", error)));
    if let Some(generation) = &span.generation {
        all.push(KeyValue::new("gen_ai.operation.name", operation(span)));
        all.extend(generated(generation));
    }
    all
}

fn generated(generation: &GenerationSpan) -> Vec<KeyValue> {
    let GenerationSpan { model, choices, finish_reasons, usage, .. } = generation;
    let reasons: Vec<StringValue> = finish_reasons.iter().map(|reason| reason.as_str().into()).collect();
    let source = serde_json::to_value(usage.pad.preference_source).unwrap_or_default();
    let mut all = vec![
        KeyValue::new("gen_ai.provider.name", "pad"),
        KeyValue::new("gen_ai.request.model", model.clone()),
        KeyValue::new("gen_ai.response.model", model.clone()),
        KeyValue::new("gen_ai.request.choice.count", count(*choices as u64)),
        KeyValue::new("gen_ai.response.finish_reasons", Value::Array(Array::String(reasons))),
        KeyValue::new("gen_ai.usage.input_tokens", count(usage.prompt_tokens)),
        KeyValue::new("gen_ai.usage.cache_read.input_tokens", count(usage.prompt_tokens_details.cached_tokens)),
        KeyValue::new("gen_ai.usage.output_tokens", count(usage.completion_tokens)),
        KeyValue::new("pad.reward_lanes", count(usage.pad.reward_lanes)),
        KeyValue::new("pad.steered_tokens", count(usage.pad.steered_tokens)),
        KeyValue::new("pad.mean_kl", usage.pad.mean_kl),
        KeyValue::new("pad.preference_source", source.as_str().unwrap_or_default().to_owned()),
    ];
    all.extend(usage.pad.examples.map(|examples| KeyValue::new("pad.examples", count(examples))));
    all
}

fn method(span: &RequestSpan) -> &'static str {
    METHODS.into_iter().find(|known| *known == span.method).unwrap_or("_OTHER")
}

/// What was asked for: to continue texts, or a conversation.
fn operation(span: &RequestSpan) -> &'static str {
    if span.route.as_deref() == Some("/v1/completions") { "text_completion" } else { "chat" }
}

/// What went wrong, whoever's fault it is.
fn error_type(span: &RequestSpan) -> Option<String> {
    let outcome = span.generation.as_ref().map(|generation| generation.outcome);
    match (span.status, outcome) {
        (Some(status), _) if status >= ERRORS => Some(status.to_string()),
        (_, Some(Outcome::Failed)) => Some("failed".to_owned()),
        (None, _) | (_, Some(Outcome::Disconnected)) => Some("disconnected".to_owned()),
        (Some(_), None | Some(Outcome::Complete)) => None,
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
