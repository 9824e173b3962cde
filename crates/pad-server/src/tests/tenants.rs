//! Keys side by side: what one sends, another neither finds nor waits for.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use super::client::{Answer, send};
use super::model::{Behaviour, Gate};
use super::server::{state, until};
use crate::{ApiKey, ApiKeys};

fn app(keys: ApiKeys) -> Router {
    let mut state = state(Behaviour::default());
    state.keys = keys;
    crate::app(state)
}

fn two() -> ApiKeys {
    ApiKeys::new([ApiKey::new("alpha"), ApiKey::new("beta")])
}

async fn post(app: &Router, key: Option<&str>, path: &str, body: &Value) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(path).header("host", "pad");
    request = request.header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    send(app, request.body(Body::from(body.to_string())).expect("a request")).await
}

/// A private prompt for each route that reads one, with these fields.
fn prompts(fields: &Value) -> [(&'static str, Value); 4] {
    let secret = "The merger with Foobar Incorporated closes on the fourth of May, tell nobody of it. ".repeat(3);
    let with = |mut body: Value| {
        if let (Some(body), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
            body.extend(fields.clone());
        }
        body
    };
    let said = json!([{"role": "user", "content": secret}]);
    [
        ("/v1/chat/completions", with(json!({"messages": said, "max_tokens": 2}))),
        ("/v1/completions", with(json!({"prompt": secret, "max_tokens": 2}))),
        ("/v1/responses", with(json!({"input": secret, "max_output_tokens": 2}))),
        ("/v1/rewards", with(json!({"messages": [said[0], {"role": "assistant", "content": "No."}]}))),
    ]
}

async fn cached(app: &Router, key: Option<&str>, path: &str, body: &Value) -> u64 {
    let answer = post(app, key, path, body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let usage = &answer.json()["usage"];
    let details = ["prompt_tokens_details", "input_tokens_details"].map(|name| usage[name]["cached_tokens"].as_u64());
    details.into_iter().flatten().next().expect("a figure")
}

#[tokio::test]
async fn cached_prompts_are_found_by_the_key_that_sent_them() {
    for (path, body) in prompts(&json!({})) {
        let app = app(two());
        assert_eq!(cached(&app, Some("alpha"), path, &body).await, 0);
        assert_eq!(cached(&app, Some("beta"), path, &body).await, 0, "{path}: another's prompt shows");
        assert!(cached(&app, Some("alpha"), path, &body).await > 200, "{path}: its own is found");
        assert!(cached(&app, Some("beta"), path, &body).await > 200);
    }
    let (path, body) = &prompts(&json!({}))[0];
    let sharing = app(two().sharing_prefixes());
    cached(&sharing, Some("alpha"), path, body).await;
    assert!(cached(&sharing, Some("beta"), path, body).await > 200, "the setting shares them");
    let open = app(ApiKeys::default());
    cached(&open, None, path, body).await;
    assert!(cached(&open, None, path, body).await > 200, "without keys they are everybody's");
}

#[tokio::test]
async fn a_salt_keeps_cached_prompts_apart() {
    for keys in [None, Some("alpha")] {
        for (at, (path, _)) in prompts(&json!({})).into_iter().enumerate() {
            // Chat and responses read the same prompt: each has a server of its own.
            let app = app(if keys.is_some() { two() } else { ApiKeys::default() });
            let salted = |salt: &str| prompts(&json!({"cache_salt": salt}))[at].1.clone();
            assert_eq!(cached(&app, keys, path, &salted(&format!("{path} one"))).await, 0);
            assert_eq!(cached(&app, keys, path, &salted(&format!("{path} two"))).await, 0, "{path}");
            assert_eq!(cached(&app, keys, path, &prompts(&json!({}))[at].1).await, 0, "{path}");
            assert!(cached(&app, keys, path, &salted(&format!("{path} one"))).await > 200, "{path}");
            let refused = post(&app, keys, path, &salted("")).await;
            assert_eq!((refused.status.as_u16(), &refused.error()["param"]), (400, &json!("cache_salt")), "{path}");
            let number = post(&app, keys, path, &prompts(&json!({"cache_salt": 7}))[at].1).await;
            assert_eq!((number.status.as_u16(), &number.error()["param"]), (400, &json!("cache_salt")), "{path}");
        }
    }
}

#[tokio::test]
async fn the_choices_of_one_request_are_counted() {
    let limited = ApiKeys::new([ApiKey::new("alpha").limited(1).rated(600), ApiKey::new("beta")]);
    let app = app(limited);
    let many = json!({"prompt": vec!["hello"; 16], "n": 16, "max_tokens": 16});
    let refused = post(&app, Some("alpha"), "/v1/completions", &many).await;
    assert_eq!((refused.status.as_u16(), &refused.error()["code"]), (429, &json!("rate_limit_exceeded")));
    for scored in [
        json!({"prompt": ["a b", "b c"], "echo": true, "logprobs": 1, "max_tokens": 0}),
        json!({"n": 2, "prompt": "a"}),
    ] {
        assert_eq!(post(&app, Some("alpha"), "/v1/completions", &scored).await.status.as_u16(), 429, "{scored}");
    }
    let one = json!({"prompt": "hello", "max_tokens": 2});
    for key in ["alpha", "beta"] {
        assert_eq!(post(&app, Some(key), "/v1/completions", &one).await.status.as_u16(), 200, "{key}");
    }
}

#[tokio::test]
async fn a_greedy_key_leaves_room_for_another() {
    let mut state = state(Behaviour { gate: Gate::after(0), ..Behaviour::default() });
    state.keys = two();
    let engine = state.engine.clone();
    let app = crate::app(state);
    let many = json!({"prompt": vec!["hello"; 4], "n": 16, "max_tokens": 2});
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..5 {
        let (app, many) = (app.clone(), many.clone());
        held.push(tokio::spawn(
            async move { post(&app, Some("alpha"), "/v1/completions", &many).await.status.as_u16() },
        ));
    }
    // Three of them are taken whole; those that would leave too few places are refused at once.
    while held.iter().filter(|task| task.is_finished()).count() < 2 {
        tokio::task::yield_now().await;
    }
    until(&engine, |status| status.running + status.waiting == 192).await;
    for task in held {
        if task.is_finished() {
            refused += u32::from(task.await.expect("an answer") == 429);
        } else {
            task.abort();
        }
    }
    assert_eq!(refused, 2);
}

/// Tokens that a key has left, as the last answer tells.
fn left(answer: &Answer) -> i64 {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.headers["x-ratelimit-remaining-tokens"].to_str().expect("text").parse().expect("a number")
}

#[tokio::test]
async fn every_route_that_reads_tokens_is_charged() {
    let said = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "HI joe".repeat(200)}]);
    for (path, body, tokens) in [
        ("/tokenize", json!({"prompt": "x".repeat(4000)}), 4000),
        ("/detokenize", json!({"tokens": vec![70; 4000]}), 4000),
        ("/v1/rewards", json!({"messages": said}), 3940),
    ] {
        let app = app(ApiKeys::new([ApiKey::new("alpha").rated(6000)]));
        let left = left(&post(&app, Some("alpha"), path, &body).await);
        // It refills by a hundred tokens a second.
        assert!((6000 - tokens..6000 - tokens / 2).contains(&left), "{path}: {left} left");
    }
}

#[tokio::test]
async fn a_key_without_tokens_waits_on_every_route() {
    let app = app(ApiKeys::new([ApiKey::new("alpha").rated(60)]));
    assert_eq!(post(&app, Some("alpha"), "/tokenize", &json!({"prompt": "x".repeat(4000)})).await.status.as_u16(), 200);
    let said = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "HI joe"}]);
    for (path, body) in [
        ("/tokenize", json!({"prompt": "x"})),
        ("/detokenize", json!({"tokens": [70]})),
        ("/v1/rewards", json!({"messages": said})),
        ("/v1/completions", json!({"prompt": "hello", "max_tokens": 1})),
    ] {
        let refused = post(&app, Some("alpha"), path, &body).await;
        assert_eq!((refused.status.as_u16(), &refused.error()["code"]), (429, &json!("rate_limit_exceeded")), "{path}");
        assert!(refused.headers.contains_key("retry-after"));
    }
}
