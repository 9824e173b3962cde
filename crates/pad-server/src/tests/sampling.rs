//! Biases, penalties, cuts and the least number of tokens.

use std::collections::BTreeSet;

use axum::Router;
use serde_json::{Value, json};

use super::client::{Stream, chat};
use super::model::{ANSWER, STEERED};
use super::server::app;
use super::tokenizer::{END, token};

async fn said(app: &Router, fields: Value) -> (String, String) {
    let answer = chat(app, fields).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let choice = answer.json()["choices"][0].take();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&choice["message"]["content"]), text(&choice["finish_reason"]))
}

/// `{"token of byte": bias}`.
fn bias(entries: &[(u8, f64)]) -> Value {
    let entries = entries.iter().map(|(byte, bias)| (token(*byte).to_string(), json!(bias)));
    Value::Object(entries.collect())
}

#[tokio::test]
async fn a_bias_forces_and_bans_a_token() {
    let app = app();
    let forced = said(&app, json!({"logit_bias": bias(&[(b'x', 100.0)]), "max_tokens": 3})).await;
    assert_eq!(forced, ("xxx".to_owned(), "length".to_owned()));
    // Without its first letter the model takes the second best, which is the capital.
    assert_eq!(said(&app, json!({"logit_bias": bias(&[(b'h', -100.0)])})).await.0, ANSWER.replacen('h', "H", 1));
    let steered = json!({"logit_bias": bias(&[(b'x', 100.0)]), "max_tokens": 3, "preference": {"loud": 2}});
    assert_eq!(said(&app, steered).await.0, "xxx", "whatever the rewards say");
    let steered = json!({"logit_bias": bias(&[(b'h', 0.5)]), "preference": {"loud": 1}});
    assert_eq!(said(&app, steered).await.0, STEERED, "a small bias leaves the choice to the rewards");
}

#[tokio::test]
async fn a_bias_of_zero_is_passed_over() {
    let answer = said(&app(), json!({"logit_bias": {"foo": 0, "999999": 0.0}, "top_k": -1, "min_p": 0})).await;
    assert_eq!(answer.0, ANSWER);
}

#[tokio::test]
async fn penalties_are_of_the_generated_tokens_and_of_the_prompt() {
    let app = app();
    let favoured = json!({"logit_bias": bias(&[(b'o', 13.0)]), "max_tokens": 6});
    let with = |field: &str, value: f64| {
        let mut fields = favoured.clone();
        fields[field] = json!(value);
        fields
    };
    assert_eq!(said(&app, favoured.clone()).await.0, "oooooo");
    // 13 - 2 * 2 is less than 10, and 13 - 2 is not. After "oo" the model goes on with "e" and half a smile.
    assert_eq!(said(&app, with("frequency_penalty", 2.0)).await.0, "ooe");
    assert_eq!(said(&app, with("presence_penalty", 2.0)).await.0, "oooooo", "once is not enough");
    // "hello" holds an "h" and an "o", and no "H": 13 / 1.5 is less than 9, and 13 / 1.4 is not.
    assert!(said(&app, with("repetition_penalty", 1.5)).await.0.starts_with('H'));
    assert!(said(&app, with("repetition_penalty", 1.4)).await.0.starts_with('o'));
}

#[tokio::test]
async fn end_tokens_can_be_put_off() {
    let app = app();
    let length = ANSWER.len();
    let (text, reason) = said(&app, json!({"ignore_eos": true, "max_tokens": length + 5})).await;
    assert_eq!(reason, "length");
    assert!(text.starts_with(ANSWER) && text.len() > length, "{text}");
    let early = json!({END.to_string(): 100});
    assert_eq!(said(&app, json!({"logit_bias": early})).await, (String::new(), "stop".to_owned()));
    assert_eq!(said(&app, json!({"logit_bias": early, "min_tokens": 2})).await, ("hi".to_owned(), "stop".to_owned()));
    let both = json!({"logit_bias": early, "min_tokens": 2, "ignore_eos": true, "max_tokens": 5});
    assert_eq!(said(&app, both).await, ("hi, j".to_owned(), "length".to_owned()));
}

#[tokio::test]
async fn cuts_narrow_what_is_sampled_from() {
    let app = app();
    // The second best has 1/e of the best one's probability at temperature 1, and e^-0.5 of it at 2.
    let texts = async |cut: Value| {
        let mut seen = BTreeSet::new();
        for seed in 0..12 {
            let mut fields = json!({"temperature": 2, "seed": seed, "max_tokens": 2, "pad": {"top_k": 2}});
            fields.as_object_mut().expect("an object").extend(cut.as_object().expect("an object").clone());
            seen.insert(said(&app, fields).await.0);
        }
        seen
    };
    assert!(texts(json!({})).await.len() > 2, "there is a choice");
    for cut in [json!({"top_k": 1}), json!({"min_p": 0.7}), json!({"top_p": 0.6})] {
        assert_eq!(texts(cut.clone()).await, BTreeSet::from(["hi".to_owned()]), "{cut}");
    }
    for cut in [json!({"top_k": 2}), json!({"top_k": 1000}), json!({"min_p": 0.6}), json!({"top_p": 0.7})] {
        assert!(texts(cut.clone()).await.len() > 2, "{cut}");
    }
}

#[tokio::test]
async fn streams_know_them_too() {
    let fields = json!({"stream": true, "logit_bias": bias(&[(b'x', 100.0)]), "max_tokens": 3, "n": 2});
    let stream = Stream::read(&chat(&app(), fields).await);
    for index in 0..2 {
        assert_eq!(stream.choice(index), ("xxx".to_owned(), "length".to_owned()));
    }
}
