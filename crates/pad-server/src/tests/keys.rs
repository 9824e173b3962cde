//! Who is let in, and how much of it.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::{Method, header};
use serde_json::json;
use tower::ServiceExt;

use super::client::{Answer, bare, get, hello, post_chat, send};
use super::model::Behaviour;
use super::server::state;
use crate::{ApiKey, ApiKeys};

fn with_key(mut request: Request<Body>, key: &str) -> Request<Body> {
    let value = format!("Bearer {key}").parse().expect("a header");
    request.headers_mut().insert(header::AUTHORIZATION, value);
    request
}

fn app(keys: impl IntoIterator<Item = ApiKey>) -> Router {
    let mut state = state(Behaviour::default());
    state.keys = ApiKeys::new(keys);
    crate::app(state)
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), &answer.error()["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn keys_open_everything_but_health_readiness_and_version_which_are_open() {
    let app = app([ApiKey::new("alpha"), ApiKey::new("beta")]);
    for path in ["/v1/models", "/v1/preferences", "/metrics", "/openapi.json", "/v1/nothing"] {
        refused(&get(&app, path).await);
        refused(&send(&app, with_key(bare(Method::GET, path), "gamma")).await);
        let answer = send(&app, with_key(bare(Method::GET, path), "beta")).await;
        assert_eq!(answer.status.as_u16(), if path == "/v1/nothing" { 404 } else { 200 }, "{path}");
    }
    refused(&send(&app, post_chat("not even JSON")).await);
    for path in ["/health", "/ready", "/version"] {
        assert_eq!(get(&app, path).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn figures_need_no_key_where_that_is_set() {
    let keys = ApiKeys::new([ApiKey::new("alpha")]);
    let app = crate::app(crate::AppState { keys, open_metrics: true, ..state(Behaviour::default()) });
    assert_eq!(get(&app, "/metrics").await.status.as_u16(), 200);
    refused(&get(&app, "/v1/loads").await);
}

#[tokio::test]
async fn a_keys_limit_holds_while_a_stream_runs() {
    let app = app([ApiKey::new("alpha").limited(1), ApiKey::new("beta")]);
    let ask = |key, fields| with_key(post_chat(hello(fields).to_string()), key);
    let running = app.clone().oneshot(ask("alpha", json!({"stream": true}))).await.expect("a stream");
    let second = send(&app, ask("alpha", json!({"max_tokens": 1}))).await;
    assert_eq!((second.status.as_u16(), &second.error()["code"]), (429, &json!("rate_limit_exceeded")));
    assert!(second.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(send(&app, ask("beta", json!({"max_tokens": 1}))).await.status.as_u16(), 200, "another key is free");
    drop(running);
    assert_eq!(
        send(&app, ask("alpha", json!({"max_tokens": 1}))).await.status.as_u16(),
        200,
        "the place is free again"
    );
}
