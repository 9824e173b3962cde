//! A preference for clients that cannot add a field, behind a proxy that forwards OpenAI's own fields only.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use serde_json::{Map, Value, json};
use tower::{ServiceExt, service_fn};

use super::client::{Answer, send};
use super::model::{ANSWER, Behaviour, STEERED};
use super::server::state;
use crate::{ApiKey, ApiKeys};

/// Fields that the proxy knows.
const KNOWN: [&str; 8] = ["messages", "model", "input", "prompt", "metadata", "max_tokens", "temperature", "stream"];

/// Forwards what it knows of OpenAI's API, and headers.
fn proxy(app: Router) -> Router {
    let forward = service_fn(move |request: Request<Body>| {
        let app = app.clone();
        async move {
            let (parts, body) = request.into_parts();
            let bytes = to_bytes(body, usize::MAX).await.expect("a body");
            let fields: Map<String, Value> = serde_json::from_slice(&bytes).expect("JSON");
            let known: Map<String, Value> =
                fields.into_iter().filter(|(name, _)| KNOWN.contains(&name.as_str())).collect();
            let body = serde_json::to_vec(&known).expect("JSON");
            let answer = app.oneshot(Request::from_parts(parts, Body::from(body))).await.expect("routers do not fail");
            Ok::<_, Infallible>(answer)
        }
    });
    Router::new().fallback_service(forward)
}

async fn ask(app: &Router, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "pad")
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::from(body.to_string())).expect("a request")).await
}

fn hello(fields: Value) -> Value {
    super::client::hello(fields)
}

/// What was said, and where its preference came from.
async fn said(app: &Router, headers: &[(&str, &str)], fields: Value) -> (String, String) {
    let answer = ask(app, "/v1/chat/completions", headers, &hello(fields)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&body["choices"][0]["message"]["content"]), text(&body["usage"]["pad"]["preference_source"]))
}

fn keyed() -> Router {
    let mut state = state(Behaviour::default());
    let key = |name: &str| ApiKey::new(name);
    state.keys = ApiKeys::new([key("plain"), key("loud").preferring("loud=1").expect("a preference")]);
    crate::app(state)
}

#[tokio::test]
async fn a_preference_comes_through_a_proxy_that_drops_the_field() {
    let app = proxy(super::server::app());
    let steered = |source: &str| (STEERED.to_owned(), source.to_owned());
    assert_eq!(said(&app, &[], json!({"preference": {"loud": 1}})).await, (ANSWER.to_owned(), "default".to_owned()));
    for header in ["{\"loud\": 1}", "[1, 0]", "loud=1", "loud=1,kind=0"] {
        assert_eq!(said(&app, &[("x-pad-preference", header)], json!({})).await, steered("header"), "{header}");
        let note = json!({"metadata": {"pad_preference": header}});
        assert_eq!(said(&app, &[], note).await, steered("metadata"), "{header}");
    }
    assert_eq!(said(&app, &[], json!({"model": "loud-parrot"})).await, steered("model"));
    let words = said(&app, &[("x-pad-preference", "speak in capitals, always")], json!({})).await;
    assert_eq!(words, steered("header"), "a principle in words");
}

#[tokio::test]
async fn the_nearest_place_wins() {
    let app = keyed();
    let (plain, loud) = (("authorization", "Bearer plain"), ("authorization", "Bearer loud"));
    let quiet = ("x-pad-preference", "loud=0");
    let source = async |headers: &[(&str, &str)], fields: Value| said(&app, headers, fields).await.1;
    let note = json!({"pad_preference": "loud=0.5"});
    assert_eq!(source(&[plain], json!({})).await, "default");
    assert_eq!(source(&[plain], json!({"model": "loud-parrot"})).await, "model");
    assert_eq!(source(&[loud], json!({"model": "loud-parrot"})).await, "key");
    assert_eq!(said(&app, &[loud], json!({})).await, (STEERED.to_owned(), "key".to_owned()));
    assert_eq!(source(&[loud], json!({"metadata": note})).await, "metadata");
    assert_eq!(said(&app, &[loud, quiet], json!({"metadata": note})).await, (ANSWER.to_owned(), "header".to_owned()));
    let body = json!({"preference": {"loud": 1}, "metadata": note});
    assert_eq!(said(&app, &[loud, quiet], body).await, (STEERED.to_owned(), "body".to_owned()));
}

#[tokio::test]
async fn every_route_and_stream_knows_them() {
    let app = super::server::app();
    let header = [("x-pad-preference", "loud=1")];
    let completion = ask(&app, "/v1/completions", &header, &json!({"prompt": "a\n"})).await.json();
    assert_eq!(completion["usage"]["pad"]["preference_source"], "header", "{completion}");
    let notes = json!({"input": "hello", "metadata": {"pad_preference": "loud=1"}});
    let response = ask(&app, "/v1/responses", &[], &notes).await.json();
    assert_eq!(response["usage"]["pad"]["preference_source"], "metadata", "{response}");
    assert_eq!(response["output"][0]["content"][0]["text"], STEERED);
    let stream = hello(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let answer = ask(&app, "/v1/chat/completions", &header, &stream).await;
    assert!(answer.text.contains("\"preference_source\":\"header\""), "{}", answer.text);
}

#[tokio::test]
async fn what_is_wrong_is_named_by_its_place() {
    let app = super::server::app();
    for (headers, fields, param) in [
        (vec![("x-pad-preference", "{\"loud\": ")], json!({}), "x-pad-preference"),
        (vec![("x-pad-preference", "loud=much")], json!({}), "x-pad-preference"),
        (vec![("x-pad-preference", "quiet=1")], json!({}), "x-pad-preference"),
        (vec![], json!({"metadata": {"pad_preference": "quiet=1"}}), "metadata.pad_preference"),
        (vec![], json!({"metadata": {"pad_preference": 5}}), "metadata.pad_preference"),
        (vec![], json!({"preference": {"quiet": 1}}), "preference"),
    ] {
        let answer = ask(&app, "/v1/chat/completions", &headers, &hello(fields.clone())).await;
        assert_eq!(answer.status, 400, "{fields}: {}", answer.text);
        let error = answer.error();
        assert_eq!(error["param"], param, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(param)), "{error}");
    }
}

#[test]
fn a_server_whose_presets_are_wrong_is_not_started() {
    let mut state = state(Behaviour::default());
    assert_eq!(state.check_preferences(), Ok(()));
    state.keys = ApiKeys::new([ApiKey::new("k").preferring("quiet=1").expect("it reads")]);
    let why = state.check_preferences().expect_err("no such dimension");
    assert!(why.contains("API key") && why.contains("quiet"), "{why}");
    state.reward = None;
    assert!(state.check_preferences().expect_err("nothing steers").contains("loud-parrot"));
}

#[tokio::test]
async fn rewards_are_told_for_a_standing_preference() {
    let app = crate::app(state(Behaviour::default()));
    let said = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "HI joe"}]);
    let told = async |headers: &[(&str, &str)], fields: Value| {
        let mut body = json!({"messages": said});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        let answer = ask(&app, "/v1/rewards", headers, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["rewards"].clone()
    };
    let header = [("x-pad-preference", "loud=0.5")];
    assert_eq!(told(&header, json!({})).await, json!([{"preference": {"loud": 0.5}, "reward": 1.0}]));
    assert_eq!(told(&header, json!({"preference": {"loud": 1}})).await[0]["reward"], 2.0, "the body wins");
    assert_eq!(told(&header, json!({"preferences": []})).await, json!([]), "the body wins");
    assert_eq!(told(&[], json!({"model": "loud-parrot"})).await[0]["reward"], 2.0);
    assert_eq!(told(&[], json!({})).await, json!([]));
    let wrong = ask(&app, "/v1/rewards", &[("x-pad-preference", "loud=")], &json!({"messages": said})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.error()["param"]), (400, &json!("x-pad-preference")));
}
