//! What those who run the server look at.

use axum::http::Method;
use serde_json::{Value, json};

use super::client::{bare, chat, get, hello, post_chat, send};
use super::model::Behaviour;
use super::server::{app, state, until};

#[tokio::test]
async fn health_tells_the_engines_figures() {
    let state = state(Behaviour::default());
    let engine = state.engine.clone();
    let app = crate::app(state);
    chat(&app, json!({"preference": {"loud": 1}})).await;
    until(&engine, |status| status.finished == 1 && status.running == 0).await;
    let health = get(&app, "/health").await.json();
    assert_eq!((&health["status"], &health["model"]), (&json!("ok"), &json!("lab/parrot")));
    let engine = &health["engine"];
    assert_eq!((&engine["finished"], &engine["tokens_steered"]), (&json!(1), &json!(5)), "{engine}");
    for key in ["used", "total", "cached"] {
        assert!(engine["kv_blocks"][key].is_u64(), "{engine}");
    }
    assert_eq!(get(&app, "/ready").await.json(), json!({"ready": true, "status": "ok"}));
}

#[tokio::test]
async fn metrics_count_what_was_asked_and_answered() {
    let state = state(Behaviour::default());
    let engine = state.engine.clone();
    let app = crate::app(state);
    chat(&app, json!({"preference": {"loud": 1}})).await;
    chat(&app, json!({"max_tokens": 2, "n": 2})).await;
    chat(&app, json!({"max_tokens": -2})).await;
    until(&engine, |status| status.finished == 3 && status.running == 0).await;
    let answer = get(&app, "/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4");
    for line in [
        "vllm:prompt_tokens_total{model_name=\"lab/parrot\"} 48",
        "vllm:generation_tokens_total{model_name=\"lab/parrot\"} 17",
        "vllm:request_success_total{finished_reason=\"stop\",model_name=\"lab/parrot\"} 1",
        "vllm:request_success_total{finished_reason=\"length\",model_name=\"lab/parrot\"} 2",
        "vllm:time_to_first_token_seconds_count{model_name=\"lab/parrot\"} 3",
        "vllm:e2e_request_latency_seconds_count{model_name=\"lab/parrot\"} 2",
        "vllm:inter_token_latency_seconds_count{model_name=\"lab/parrot\"} 14",
        "vllm:num_requests_running{model_name=\"lab/parrot\"} 0",
        "pad_steered_tokens_total{model_name=\"lab/parrot\"} 5",
        "pad_requests_disconnected_total{model_name=\"lab/parrot\"} 0",
        "pad_http_responses_total{status=\"200\",model_name=\"lab/parrot\"} 2",
        "pad_http_responses_total{status=\"400\",model_name=\"lab/parrot\"} 1",
    ] {
        assert!(answer.text.lines().any(|found| found == line), "{line} is in\n{}", answer.text);
    }
}

#[tokio::test]
async fn requests_have_names() {
    let app = app();
    let mut named = post_chat(hello(json!({})).to_string());
    named.headers_mut().insert("x-request-id", "trace-7".parse().expect("a header"));
    assert_eq!(send(&app, named).await.headers["x-request-id"], "trace-7");
    let unnamed = get(&app, "/v1/nothing").await;
    assert!(unnamed.headers["x-request-id"].to_str().is_ok_and(|name| name.starts_with("req-")), "errors have one too");
}

/// Every `$ref` of the document leads somewhere.
fn check_references(value: &Value, document: &Value) {
    match value {
        Value::Object(entries) => {
            if let Some(Value::String(reference)) = entries.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("references stay within the document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            entries.values().for_each(|entry| check_references(entry, document));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| check_references(entry, document)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_whole_and_the_same_every_time() {
    let document = get(&app(), "/openapi.json").await.json();
    let limits = crate::RequestLimits::default();
    assert_eq!(document, serde_json::to_value(crate::openapi(&limits)).expect("it is JSON"));
    assert_eq!(crate::openapi(&limits).to_pretty_json().ok(), crate::openapi(&limits).to_pretty_json().ok());
    assert_eq!(document["openapi"], "3.1.0");
    check_references(&document, &document);
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        assert!(schema["description"].is_string(), "{name} is described");
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let described =
                ["/description", "/$ref", "/oneOf/0/description"].iter().any(|at| property.pointer(at).is_some());
            assert!(described, "{name}.{field} is described: {property}");
        }
    }
}

#[tokio::test]
async fn the_document_tells_the_limits_of_this_server() {
    let mut state = super::server::state(super::model::Behaviour::default());
    state.limits.choices = 3;
    let document = get(&crate::app(state), "/openapi.json").await.json();
    let maximum = |schema: &str, field: &str| {
        let property = &document["components"]["schemas"][schema]["properties"][field];
        property["maximum"].as_f64().expect("a limit")
    };
    assert_eq!([maximum("ChatRequest", "n"), maximum("CompletionRequest", "n")], [3.0, 3.0]);
    assert_eq!([maximum("ChatRequest", "best_of"), maximum("CompletionRequest", "best_of")], [3.0, 3.0]);
    assert_eq!(maximum("PadOptions", "loop_guard"), *pad_decode::LOOP_GUARD.end() as f64);
    assert_eq!(maximum("PadOptions", "top_k"), *pad_decode::CANDIDATES.end() as f64);
}

#[tokio::test]
async fn the_document_and_the_router_have_the_same_routes() {
    let app = app();
    let document = serde_json::to_value(crate::openapi(&crate::RequestLimits::default())).expect("it is JSON");
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 29);
    for (path, item) in paths {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let documented = item.get(method.as_str().to_lowercase()).is_some();
            let answer = send(&app, bare(method.clone(), &path.replace("models/{id}", "models/lab/parrot"))).await;
            // A response that is not remembered is a route's answer, too.
            let served = answer.status.as_u16() != 405 && !answer.text.contains("route_not_found");
            assert_eq!(documented, served, "{method} {path}");
            if let Some(operation) = item.get(method.as_str().to_lowercase()) {
                assert!(operation["responses"]["500"].is_object() && operation["summary"].is_string(), "{operation}");
                let open = operation.get("security").is_some();
                assert_eq!(
                    open,
                    ["/health", "/ready", "/ping", "/version", "/docs"].contains(&path.as_str()),
                    "{path}"
                );
                assert_eq!(operation["responses"].get("401").is_none(), open, "{path}");
            }
        }
    }
}
