//! Log-probabilities of the tokens: their numbers, and their step with the text.

use axum::Router;
use serde_json::{Value, json};

use super::client::{Stream, chat};
use super::model::{ANSWER, STEERED};
use super::server::app;

/// The text and the entries of every choice, in one piece, and the same as a stream tells them.
async fn both(app: &Router, fields: &Value) -> (Vec<(String, Vec<Value>)>, Vec<(String, Vec<Value>)>) {
    let mut fields = fields.clone();
    fields["logprobs"] = json!(true);
    let answer = chat(app, fields.clone()).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let whole = answer.json()["choices"].as_array().expect("choices").clone();
    let whole: Vec<_> = whole.iter().map(|choice| (text(&choice["message"]["content"]), entries(choice))).collect();
    fields["stream"] = json!(true);
    let stream = Stream::read(&chat(app, fields).await);
    let streamed = (0..whole.len()).map(|index| {
        let entries = stream.choices(index).filter(|choice| !choice["logprobs"].is_null()).flat_map(entries);
        (stream.choice(index).0, entries.collect())
    });
    (whole, streamed.collect())
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn entries(choice: &Value) -> Vec<Value> {
    assert_eq!(choice["logprobs"].get("refusal"), Some(&Value::Null), "{choice}");
    choice["logprobs"]["content"].as_array().expect("a list").clone()
}

fn joined(entries: &[Value]) -> String {
    entries.iter().map(|entry| text(&entry["token"])).collect()
}

fn bytes(entries: &[Value]) -> Vec<u8> {
    let list = |entry: &Value| entry["bytes"].as_array().expect("bytes").clone();
    entries.iter().flat_map(list).map(|byte| byte.as_u64().expect("a byte") as u8).collect()
}

#[tokio::test]
async fn without_being_asked_there_are_none() {
    let app = app();
    for fields in [json!({}), json!({"logprobs": false}), json!({"logprobs": null, "top_logprobs": null})] {
        assert!(chat(&app, fields).await.json()["choices"][0]["logprobs"].is_null());
    }
}

/// Two candidates with logits 10 and 9: ln(1 / (1 + 1/e)), and one less.
#[tokio::test]
async fn the_numbers_are_those_of_the_candidates() {
    let app = app();
    let first = -(1.0 + (-1.0_f64).exp()).ln();
    let near = |value: &Value, want: f64| {
        let value = value.as_f64().expect("a number");
        assert!((value - want).abs() < 1e-5, "{value} is not {want}");
    };
    let fields = json!({"logprobs": true, "top_logprobs": 5, "pad": {"top_k": 2}});
    let entry = entries(&chat(&app, fields).await.json()["choices"][0]).remove(0);
    assert_eq!((&entry["token"], &entry["bytes"]), (&json!("h"), &json!([104])));
    near(&entry["logprob"], first);
    let top = entry["top_logprobs"].as_array().expect("a list");
    assert_eq!(top.iter().map(|candidate| text(&candidate["token"])).collect::<Vec<_>>(), ["h", "H"]);
    near(&top[0]["logprob"], first);
    near(&top[1]["logprob"], first - 1.0);
    // Steered, the lane's opinion is added: 12 against 10.
    let fields =
        json!({"logprobs": true, "top_logprobs": 1, "pad": {"top_k": 2}, "preference": {"loud": 1}, "temperature": 0});
    let entry = entries(&chat(&app, fields).await.json()["choices"][0]).remove(0);
    let second = -(1.0 + (-2.0_f64).exp()).ln();
    assert_eq!(entry["token"], "H");
    near(&entry["logprob"], second);
    assert_eq!(entry["top_logprobs"].as_array().map(Vec::len), Some(1));
    near(&entry["top_logprobs"][0]["logprob"], second);
}

#[tokio::test]
async fn no_more_candidates_than_asked_for_or_than_there_are() {
    let app = app();
    for (top, k, count) in [(0, 10, 0), (3, 10, 3), (20, 5, 5), (20, 100, 20)] {
        let fields = json!({"logprobs": true, "top_logprobs": top, "pad": {"top_k": k}});
        for entry in entries(&chat(&app, fields).await.json()["choices"][0]) {
            assert_eq!(entry["top_logprobs"].as_array().map(Vec::len), Some(count), "{top} of {k}: {entry}");
        }
    }
}

#[tokio::test]
async fn the_tokens_joined_are_the_text() {
    let app = app();
    let cases = [
        (json!({}), ANSWER, ANSWER.len()),
        (json!({"preference": {"loud": 1}, "n": 2}), STEERED, STEERED.len()),
        (json!({"stop": ", j"}), "hi", 2),
        (json!({"stop": "joe?"}), ANSWER, ANSWER.len()),
        (json!({"stop": "\u{1F600}"}), "hi, joe", 7),
        (json!({"stop": "!"}), "hi, joe\u{1F600}", 11),
        (json!({"max_tokens": 0}), "", 0),
        (json!({"max_tokens": 8}), "hi, joe", 7),
        (json!({"max_tokens": 9}), "hi, joe", 7),
        (json!({"max_tokens": 11, "n": 3}), "hi, joe\u{1F600}", 11),
        (json!({"stop": "\u{FFFD}", "max_tokens": 9}), "hi, joe", 7),
        (json!({"temperature": 2, "seed": 3, "max_tokens": 30, "pad": {"top_k": 100}, "n": 4}), "", 0),
    ];
    for (fields, said, count) in cases {
        let (whole, streamed) = both(&app, &fields).await;
        assert_eq!(whole, streamed, "{fields}");
        for (text, entries) in whole {
            assert_eq!(joined(&entries), text, "{fields}");
            if !text.contains('\u{FFFD}') {
                assert_eq!(bytes(&entries), text.as_bytes(), "{fields}");
            }
            if fields.get("seed").is_none() {
                assert_eq!((text.as_str(), entries.len()), (said, count), "{fields}");
            }
        }
    }
}

#[tokio::test]
async fn a_character_of_several_tokens_belongs_to_the_last() {
    let fields = json!({"logprobs": true, "top_logprobs": 3});
    let entries = entries(&chat(&app(), fields).await.json()["choices"][0]);
    let tokens: Vec<String> = entries[6..].iter().map(|entry| text(&entry["token"])).collect();
    assert_eq!(tokens, ["e", "", "", "", "\u{1F600}", "!"]);
    let smile = &entries[10];
    assert_eq!(smile["bytes"], json!([0x80]));
    // What stands beside it is what it would have completed.
    assert_eq!(smile["top_logprobs"][0], json!({"token": "\u{1F600}", "logprob": smile["logprob"], "bytes": [0x80]}));
    assert_eq!(smile["top_logprobs"][2]["token"], "\u{1F601}");
    let last = entries.last().expect("entries");
    assert_eq!(last["token"], "!", "the end token has no entry");
}

#[tokio::test]
async fn a_control_token_among_the_candidates_has_a_name_and_no_bytes() {
    let fields = json!({"logprobs": true, "top_logprobs": 2, "logit_bias": {"2": 9.5}});
    let entry = entries(&chat(&app(), fields).await.json()["choices"][0]).remove(0);
    let second = &entry["top_logprobs"][1];
    assert_eq!((&second["token"], &second["bytes"]), (&json!("<|im_end|>"), &Value::Null));
}
