//! Answers in chunks: the same answers as in one piece, read strictly.

use serde_json::{Value, json};

use crate::client::{ask, text, tokens, with};
use crate::server::Server;

/// The same request in chunks and in one piece says the same.
fn agree(fields: &Value) {
    let client = Server::reference().client();
    let body = with(ask("Why is the sky blue?", 24), with(fields.clone(), json!({"pad": {"trace": true}})));
    let whole = client.completion(&body);
    let mut streamed = body;
    streamed["stream_options"] = json!({"include_usage": true});
    let stream = client.stream(&streamed);
    assert!(stream.error.is_none(), "{stream:?}");
    let choices = whole["choices"].as_array().expect("choices");
    assert_eq!(stream.choices.len(), choices.len());
    for ((index, said), choice) in stream.choices.iter().zip(choices) {
        assert_eq!(said.text, text(&whole, *index as usize), "{fields}");
        assert_eq!(said.finish.as_deref(), choice["finish_reason"].as_str(), "{fields}");
        let entries: Vec<u64> = said.trace.iter().filter_map(|step| step["token"].as_u64()).collect();
        assert_eq!(entries, tokens(choice), "{fields}");
    }
    let usage = stream.usage.expect("usage was asked for");
    for key in ["prompt_tokens", "completion_tokens", "total_tokens", "pad"] {
        assert_eq!(usage[key], whole["usage"][key], "{key} of {fields}");
    }
}

#[test]
fn streams_say_what_whole_answers_say() {
    agree(&json!({}));
    agree(&json!({"preference": {"concise": 1.0}}));
    agree(&json!({"stop": [" is blue", "scatter"]}));
    agree(&json!({"n": 3, "temperature": 1.2, "seed": 7, "preference": {"humorous": 1}}));
    agree(&json!({"max_tokens": 0}));
    agree(&json!({"max_tokens": 1}));
}

#[test]
fn words_come_as_they_are_made() {
    let stream = Server::shared().client().stream(&ask("Why is the sky blue?", 24));
    let said = &stream.choices[&0];
    assert!(said.chunks > 10, "{said:?}");
    assert_eq!(said.finish.as_deref(), Some("length"));
    assert!(stream.usage.is_none(), "it was not asked for");
}

#[test]
fn a_stop_string_never_shows() {
    let client = Server::reference().client();
    let body = ask("What is the capital of France?", 16);
    let stream = client.stream(&with(body.clone(), json!({"stop": "of France"})));
    assert_eq!(stream.choices[&0].text, "The capital ");
    let stream = client.stream(&with(body, json!({"stop": "of Francia"})));
    assert_eq!(stream.choices[&0].text, "The capital of France is Paris.", "what was held back comes out");
}

#[test]
fn errors_before_the_stream_are_plain_answers() {
    let answer = Server::shared().client().chat(&with(ask("hi", 4), json!({"stream": true, "preference": {"x": 1}})));
    assert_eq!((answer.status, answer.error()["param"].as_str()), (400, Some("preference")));
}

#[test]
fn proxies_are_told_not_to_buffer() {
    let answer = Server::shared().client().chat(&with(ask("hi", 2), json!({"stream": true})));
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    assert_eq!(answer.headers["cache-control"], "no-cache");
    assert!(answer.headers.contains_key("x-request-id"));
}
