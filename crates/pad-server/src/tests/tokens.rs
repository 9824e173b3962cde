//! Text to tokens and back, and the version.

use axum::Router;
use serde_json::{Value, json};

use super::client::{self, Answer, chat, get, send};
use super::model::CONTEXT;
use super::server::app;
use super::tokenizer::{END, token};

pub(super) async fn post(app: &Router, path: &str, body: Value) -> Answer {
    send(app, client::post(path, body.to_string())).await
}

#[tokio::test]
async fn a_text_is_tokens_and_a_text_again() {
    let app = app();
    for text in ["", "hi", "caf\u{e9} \u{1F600}", "a<|im_end|>b"] {
        let tokens = post(&app, "/tokenize", json!({"prompt": text, "model": "default"})).await.json();
        assert_eq!(tokens["count"], tokens["tokens"].as_array().expect("a list").len());
        assert_eq!(tokens["max_model_len"], CONTEXT);
        assert_eq!(post(&app, "/tokenize", json!({"content": text})).await.json(), tokens, "by either name");
        let back = post(&app, "/detokenize", json!({"tokens": tokens["tokens"]})).await.json();
        assert_eq!(back, json!({"prompt": text}));
    }
    let tokens = post(&app, "/tokenize", json!({"prompt": "h<|im_end|>"})).await.json();
    assert_eq!(tokens["tokens"], json!([token(b'h'), END]));
    let half = post(&app, "/detokenize", json!({"tokens": [token(b'h'), token(0xf0)]})).await.json();
    assert_eq!(half["prompt"], "h\u{FFFD}");
}

#[tokio::test]
async fn a_conversation_has_the_tokens_that_an_answer_is_charged() {
    let app = app();
    let messages = json!([{"role": "user", "content": "hello"}]);
    let count = post(&app, "/tokenize", json!({"messages": messages})).await.json()["count"].take();
    assert_eq!(chat(&app, json!({})).await.json()["usage"]["prompt_tokens"], count);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let app = app();
    for (path, body, status, param) in [
        ("/tokenize", json!({}), 400, "prompt"),
        ("/tokenize", json!({"prompt": "a", "content": "a"}), 400, "prompt"),
        ("/tokenize", json!({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}), 400, "prompt"),
        ("/tokenize", json!({"prompt": 5}), 400, "prompt"),
        ("/tokenize", json!({"messages": []}), 400, "messages"),
        ("/tokenize", json!({"messages": [{"role": "user", "content": "refuse"}]}), 400, "messages"),
        ("/tokenize", json!({"prompt": "a", "model": "gpt"}), 404, "model"),
        ("/detokenize", json!({}), 400, "tokens"),
        ("/detokenize", json!({"tokens": [5, 259]}), 400, "tokens"),
        ("/detokenize", json!({"tokens": [-1]}), 400, "tokens[0]"),
        ("/detokenize", json!({"tokens": [], "model": "gpt"}), 404, "model"),
    ] {
        let answer = post(&app, path, body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (status, &json!(param)), "{path} {body}");
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    assert_eq!(get(&app(), "/version").await.json(), json!({"version": env!("CARGO_PKG_VERSION")}));
}
