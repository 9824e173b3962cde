//! Embeddings of texts. The model's hidden states are a token's byte and a one.

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Answer, post, send};
use super::model::{Behaviour, CONTEXT};
use super::server::{app, state};
use super::tokenizer::token;

async fn ask(app: &Router, body: Value) -> Answer {
    send(app, post("/v1/embeddings", body.to_string())).await
}

async fn embedded(app: &Router, body: Value) -> Value {
    let answer = ask(app, body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// The mean of the bytes and of the ones, of length 1.
fn expected(text: &str) -> [f64; 2] {
    let mean = text.bytes().map(f64::from).sum::<f64>() / text.len() as f64;
    let length = mean.hypot(1.0);
    [mean / length, 1.0 / length]
}

fn is_of(entry: &Value, index: usize, text: &str) {
    assert_eq!((&entry["object"], &entry["index"]), (&json!("embedding"), &json!(index)));
    let numbers = entry["embedding"].as_array().expect("numbers");
    assert_eq!(numbers.len(), 2, "{entry}");
    for (number, expected) in numbers.iter().zip(expected(text)) {
        assert!((number.as_f64().expect("a number") - expected).abs() < 1e-6, "{entry}: {expected}");
    }
}

#[tokio::test]
async fn texts_have_four_forms_and_two_notations() {
    let app = app();
    let ids = |text: &str| text.bytes().map(token).collect::<Vec<u32>>();
    for (input, texts) in [
        (json!("abc"), vec!["abc"]),
        (json!(["abc", "z"]), vec!["abc", "z"]),
        (json!(ids("abc")), vec!["abc"]),
        (json!([ids("abc"), ids("xy")]), vec!["abc", "xy"]),
    ] {
        let answer = embedded(&app, json!({"input": input, "model": "default", "encoding_format": "float"})).await;
        assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!("lab/parrot")));
        let data = answer["data"].as_array().expect("data");
        assert_eq!(data.len(), texts.len());
        data.iter().zip(&texts).enumerate().for_each(|(index, (entry, text))| is_of(entry, index, text));
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        assert_eq!(answer["usage"], json!({"prompt_tokens": tokens, "total_tokens": tokens}));
    }
    let float = embedded(&app, json!({"input": "abc"})).await["data"][0]["embedding"].clone();
    let base64 = embedded(&app, json!({"input": "abc", "encoding_format": "base64"})).await;
    let bytes: Vec<u8> = float
        .as_array()
        .expect("numbers")
        .iter()
        .flat_map(|n| (n.as_f64().expect("a number") as f32).to_le_bytes())
        .collect();
    let written = STANDARD.encode(bytes);
    assert_eq!(base64["data"][0]["embedding"], json!(written));
}

#[tokio::test]
async fn many_texts_are_embedded_a_few_at_a_time() {
    let mut state = state(Behaviour::default());
    // Fewer places than texts.
    let config = pad_engine::EngineConfig { queue: 8, ..pad_engine::EngineConfig::default() };
    state.engine = pad_engine::Engine::start(super::model::Parrot(Behaviour::default()), config).expect("a thread");
    let app = crate::app(state);
    let texts: Vec<String> = (0..100).map(|i| "x".repeat(i % 7 + 1)).collect();
    let answer = embedded(&app, json!({"input": texts})).await;
    let data = answer["data"].as_array().expect("data");
    assert_eq!(data.len(), 100);
    data.iter().zip(&texts).enumerate().for_each(|(index, (entry, text))| is_of(entry, index, text));
}

#[tokio::test]
async fn what_cannot_be_embedded_is_refused_by_its_field() {
    let app = app();
    for (body, param, says) in [
        (json!({}), "input", "input"),
        (json!({"input": ""}), "input", "empty"),
        (json!({"input": []}), "input", "empty"),
        (json!({"input": ["a", ""]}), "input", "empty"),
        (json!({"input": [[]]}), "input", "empty"),
        (json!({"input": [99_999]}), "input", "99999"),
        (json!({"input": vec!["a"; 2049]}), "input", "2048"),
        (json!({"input": "x".repeat(CONTEXT + 1)}), "input", "maximum context length"),
        (json!({"input": "a", "dimensions": 64}), "dimensions", "64"),
        (json!({"input": "a", "encoding_format": "int8"}), "encoding_format", "base64"),
        (json!({"input": "a", "cache_salt": ""}), "cache_salt", "empty"),
    ] {
        let answer = ask(&app, body).await;
        assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (400, &json!(param)), "{}", answer.text);
        assert!(answer.text.contains(says), "{}", answer.text);
    }
    let unknown = ask(&app, json!({"input": "a", "model": "gpt"})).await;
    assert_eq!((unknown.status.as_u16(), &unknown.error()["code"]), (404, &json!("model_not_found")));
    is_of(&embedded(&app, json!({"input": "x".repeat(CONTEXT)})).await["data"][0], 0, "x");
}
