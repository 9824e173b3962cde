//! Exactly at the context: what fits is answered, on every route, and what does not is told in OpenAI's words.

use axum::Router;
use serde_json::{Value, json};

use super::client::{Answer, chat, post_chat, send};
use super::completions::complete;
use super::model::{Behaviour, CONTEXT};
use super::responses::respond;
use super::server::{app, state};
use super::tokens::post;

/// A chat whose prompt has so many tokens: of the parrot's, every byte is one.
async fn chat_of(app: &Router, tokens: usize, fields: Value) -> Answer {
    let around = "_user\n_\n_assistant\n".len();
    let mut body = json!({"messages": [{"role": "user", "content": "a".repeat(tokens - around)}]});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    send(app, post_chat(body.to_string())).await
}

fn usage(answer: &Answer) -> (u64, u64, Value) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    let number = |name: &str| body["usage"][name].as_u64().expect("a number");
    (number("prompt_tokens"), number("completion_tokens"), body["choices"][0]["finish_reason"].clone())
}

fn too_long(answer: &Answer, says: &str) {
    let error = answer.error();
    assert_eq!((answer.status.as_u16(), &error["code"]), (400, &json!("context_length_exceeded")), "{error}");
    let message = error["message"].as_str().expect("a message");
    let whole = format!("This model's maximum context length is {CONTEXT} tokens. However, {says}");
    assert!(message.starts_with(&whole), "{message}");
}

#[tokio::test]
async fn an_answer_takes_the_room_that_is_left() {
    let app = app();
    let full = CONTEXT as u64;
    for fields in [json!({"max_tokens": 32000}), json!({"max_tokens": i64::MAX}), json!({"max_tokens": -1}), json!({})]
    {
        let (prompt, answered, reason) = usage(&chat_of(&app, CONTEXT - 3, fields.clone()).await);
        assert_eq!((prompt, answered, reason), (full - 3, 3, json!("length")), "{fields}");
    }
    let (_, answered, reason) = usage(&chat_of(&app, CONTEXT - 1, json!({"max_tokens": 2})).await);
    assert_eq!((answered, reason), (1, json!("length")), "the last token of all");
    let (prompt, answered, _) = usage(&chat_of(&app, CONTEXT, json!({"max_tokens": 0})).await);
    assert_eq!((prompt, answered), (full, 0), "a prompt that fills the context, and no answer");
    let says = format!("you requested {} tokens ({CONTEXT} in the messages, 1 in the completion)", CONTEXT + 1);
    too_long(&chat_of(&app, CONTEXT, json!({"max_tokens": 5})).await, &says);
    for max_tokens in [0, 1, 32000] {
        let answer = chat_of(&app, CONTEXT + 1, json!({"max_tokens": max_tokens})).await;
        too_long(&answer, &format!("your messages resulted in {} tokens", CONTEXT + 1));
    }
}

#[tokio::test]
async fn completions_and_responses_count_alike() {
    let app = app();
    for (length, fields) in [(CONTEXT - 3, json!({"max_tokens": 32000})), (CONTEXT - 3, json!({"max_tokens": -1}))] {
        let mut body = fields.clone();
        body["prompt"] = json!("a".repeat(length));
        body["ignore_eos"] = json!(true);
        let (prompt, answered, reason) = usage(&complete(&app, body).await);
        assert_eq!((prompt, answered, reason), (length as u64, 3, json!("length")), "{fields}");
    }
    for echo in [false, true] {
        let fields =
            |length: usize| json!({"prompt": "a".repeat(length), "max_tokens": 0, "echo": echo, "logprobs": 1});
        let (prompt, answered, _) = usage(&complete(&app, fields(CONTEXT)).await);
        assert_eq!((prompt, answered), (CONTEXT as u64, 0), "echo: {echo}");
        let answer = complete(&app, fields(CONTEXT + 1)).await;
        assert_eq!(answer.error()["param"], "prompt");
    }
    let ids = json!({"prompt": vec![5; CONTEXT + 1], "max_tokens": 1});
    too_long(&complete(&app, ids).await, &format!("your messages resulted in {} tokens", CONTEXT + 1));
    let response = respond(&app, json!({"max_output_tokens": 32000})).await;
    assert_eq!(response.status, 200, "{}", response.text);
    too_long(&respond(&app, json!({"input": "a".repeat(CONTEXT)})).await, "your messages resulted in");
}

#[tokio::test]
async fn a_strict_server_refuses_what_does_not_fit() {
    let mut state = state(Behaviour::default());
    state.limits.strict_max_tokens = true;
    let app = crate::app(state);
    let sum = |max_tokens: u128| {
        format!("you requested {} tokens (", max_tokens + "_user\nhello_\n_assistant\n".len() as u128)
    };
    too_long(&chat(&app, json!({"max_tokens": CONTEXT})).await, &sum(CONTEXT as u128));
    too_long(&chat(&app, json!({"max_tokens": i64::MAX})).await, &sum(i64::MAX as u128));
    assert_eq!(chat(&app, json!({"max_tokens": -1})).await.status, 200, "no number was asked for");
}

#[tokio::test]
async fn an_answer_to_be_scored_counts_as_well() {
    let app = app();
    let messages = |length: usize| json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b".repeat(length)}], "complete": false});
    let fits = post(&app, "/v1/rewards", messages(CONTEXT - 200)).await;
    assert_eq!(fits.status, 200, "{}", fits.text);
    too_long(&post(&app, "/v1/rewards", messages(CONTEXT)).await, "you requested ");
}
