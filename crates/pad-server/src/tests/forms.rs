//! Answers of a form: JSON, and schemas.

use serde_json::{Value, json};

use super::client::{Stream, chat};
use super::model::{ANSWER, Behaviour};
use super::server::{app, state};

fn schema(schema: &Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}})
}

/// Every text of it is the same but for the choice of `a`.
fn letters() -> Value {
    let letter = json!({"enum": ["h", "H", "z"]});
    json!({"type": "object", "properties": {"a": letter}, "required": ["a"], "additionalProperties": false})
}

#[tokio::test]
async fn an_answer_is_of_its_schema_whole_and_in_chunks() {
    let app = app();
    for fields in [json!({}), json!({"preference": {"loud": 2}}), json!({"temperature": 2, "seed": 5, "top_p": 0.9})] {
        let mut fields = fields;
        fields["response_format"] = schema(&letters());
        fields["max_tokens"] = json!(60);
        let whole = chat(&app, fields.clone()).await.json();
        let text = whole["choices"][0]["message"]["content"].as_str().expect("a text").to_owned();
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(["h", "H", "z"].iter().any(|letter| value["a"] == *letter), "{text}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        assert!(whole["choices"][0]["message"].get("tool_calls").is_none());
        fields["stream"] = json!(true);
        assert_eq!(Stream::read(&chat(&app, fields).await).choice(0), (text, "stop".to_owned()));
    }
}

#[tokio::test]
async fn the_preference_decides_among_what_is_allowed() {
    let app = app();
    // After a line break the model wants to say "h", and a reward lane that it is "H".
    let line = json!({"type": "string", "pattern": "^[hHz]$"});
    let fields = |weight: f64| {
        json!({"response_format": schema(&line), "preference": {"loud": weight},
        "pad": {"trace": true}, "logprobs": true, "top_logprobs": 3, "max_tokens": 8})
    };
    let answer = chat(&app, fields(2.0)).await.json();
    let trace = answer["choices"][0]["pad"]["trace"].as_array().expect("a trace").clone();
    assert_eq!(trace[0]["candidates"].as_array().map(Vec::len), Some(1), "a quote is forced");
    assert_eq!(trace[1]["candidates"].as_array().map(Vec::len), Some(3), "three letters are allowed");
    assert!(trace[1]["rewards"]["loud"].is_number());
    let logprobs = answer["choices"][0]["logprobs"]["content"].as_array().expect("a list").clone();
    let joined: String = logprobs.iter().map(|entry| entry["token"].as_str().expect("a text")).collect();
    assert_eq!(joined, answer["choices"][0]["message"]["content"].as_str().expect("a text"));
    assert_eq!((&logprobs[0]["logprob"], logprobs[0]["top_logprobs"].as_array().map(Vec::len)), (&json!(0.0), Some(1)));
    assert_eq!(logprobs[1]["top_logprobs"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn penalties_and_biases_act_before_the_grammar() {
    let app = app();
    let only = |letter: u8| {
        let token = super::tokenizer::token(letter).to_string();
        json!({"response_format": schema(&letters()), "max_tokens": 60, "logit_bias": {token: 100}})
    };
    for letter in *b"hHz" {
        let answer = chat(&app, only(letter)).await.json();
        let text = answer["choices"][0]["message"]["content"].as_str().expect("a text").to_owned();
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["a"], char::from(letter).to_string(), "{text}");
    }
    let answer = chat(&app, only(b'q')).await.json();
    let text = answer["choices"][0]["message"]["content"].as_str().expect("a text");
    assert!(!text.contains('q'), "no bias brings in what is not allowed: {text}");
}

#[tokio::test]
async fn a_form_may_be_cut() {
    let app = app();
    let fields = json!({"response_format": schema(&letters()), "max_tokens": 3});
    let answer = chat(&app, fields).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    let stopped = chat(&app, json!({"response_format": schema(&letters()), "stop": "a"})).await.json();
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    let text = stopped["choices"][0]["message"]["content"].as_str().expect("a text");
    assert!(text.starts_with('{') && text.ends_with('"') && !text.contains('a'), "{text}");
}

#[tokio::test]
async fn text_is_any_text_and_an_object_is_an_object() {
    let app = app();
    let answer = chat(&app, json!({"response_format": {"type": "text"}})).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER);
    let fields = json!({"response_format": {"type": "json_object"}, "max_tokens": 1});
    assert_eq!(chat(&app, fields).await.json()["choices"][0]["message"]["content"], "{");
}

#[tokio::test]
async fn what_no_answer_can_be_held_to_is_refused_with_the_reason() {
    let app = crate::app(state(Behaviour::default()));
    let schema_field = "response_format.json_schema.schema";
    for (format, param, says) in [
        (schema(&json!({"type": "array", "uniqueItems": true})), schema_field, "uniqueItems"),
        (schema(&json!({"type": "strin"})), schema_field, "strin"),
        (schema(&json!({"$ref": "https://example.org/a.json"})), schema_field, "$ref"),
        (schema(&json!({"enum": []})), schema_field, ""),
        (schema(&json!({"description": "x".repeat(200_000)})), schema_field, "131072"),
        (json!({"type": "json_schema"}), "response_format.json_schema", "absent"),
        (json!({"type": "grammar"}), "response_format.type", "json_schema"),
    ] {
        for stream in [false, true] {
            let answer = chat(&app, json!({"response_format": format, "stream": stream})).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            let error = answer.error();
            assert_eq!(error["param"], param, "{error}");
            assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{error}");
        }
    }
}
