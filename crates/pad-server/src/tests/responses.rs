//! Responses: whole, in typed events, and one after the other.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use super::client::{self, Answer, bare, send};
use super::model::{ANSWER, Behaviour, STEERED};
use super::server::{app, state};
use crate::{ApiKey, ApiKeys};

pub(super) fn post(fields: Value) -> Request<Body> {
    let mut body = json!({"input": "hello"});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    client::post("/v1/responses", body.to_string())
}

pub(super) async fn respond(app: &Router, fields: Value) -> Answer {
    send(app, post(fields)).await
}

pub(super) async fn response(app: &Router, fields: Value) -> Value {
    let answer = respond(app, fields).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// The text of a response, whose shape is checked.
pub(super) fn text(response: &Value) -> &str {
    assert_eq!(response["object"], "response");
    assert!(response["id"].as_str().is_some_and(|id| id.starts_with("resp_")), "{response}");
    let message = &response["output"][0];
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert!(message["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{message}");
    let part = &message["content"][0];
    assert_eq!((&part["type"], &part["annotations"]), (&json!("output_text"), &json!([])));
    part["text"].as_str().expect("a text")
}

/// The events of a stream: each with its name and its number, and the last one told apart.
pub(super) fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let blocks = answer.text.strip_suffix("\n\n").expect("the last event is complete").split("\n\n");
    let event = |(number, block): (usize, &str)| {
        let (name, data) = block.split_once('\n').expect("two lines");
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), event["type"].as_str(), "{block}");
        assert_eq!(event["sequence_number"], number, "{block}");
        event
    };
    blocks.filter(|block| !block.starts_with(':')).enumerate().map(event).collect()
}

#[tokio::test]
async fn a_response_is_an_answer_in_another_shape() {
    let app = app();
    let whole = response(&app, json!({"instructions": "Sing.", "metadata": {"a": "b"}})).await;
    assert_eq!((text(&whole), &whole["status"]), (ANSWER, &json!("completed")));
    assert_eq!((&whole["metadata"], &whole["instructions"]), (&json!({"a": "b"}), &json!("Sing.")));
    let usage = &whole["usage"];
    assert_eq!(usage["output_tokens"], ANSWER.len() + 1);
    assert_eq!(usage["total_tokens"].as_u64(), usage["input_tokens"].as_u64().map(|n| n + ANSWER.len() as u64 + 1));
    let plain = response(&app, json!({})).await;
    let longer = usage["input_tokens"].as_u64().zip(plain["usage"]["input_tokens"].as_u64()).map(|(a, b)| a - b);
    assert_eq!(longer, Some("_system\nSing._\n".len() as u64), "the system speaks first");
    let cut = response(&app, json!({"max_output_tokens": 2})).await;
    assert_eq!((text(&cut), &cut["status"]), ("hi", &json!("incomplete")));
    assert_eq!(cut["incomplete_details"], json!({"reason": "max_output_tokens"}));
    let steered = response(&app, json!({"preference": {"loud": 1}, "pad": {"trace": true}})).await;
    assert_eq!(text(&steered), STEERED);
    assert_eq!(steered["output"][0]["pad"]["trace"].as_array().map(Vec::len), Some(ANSWER.len() + 1));
    assert_eq!(steered["usage"]["pad"]["reward_lanes"], 1);
}

#[tokio::test]
async fn events_tell_the_same() {
    let answer = respond(&app(), json!({"stream": true, "pad": {"trace": true}})).await;
    let events = events(&answer);
    let names: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let deltas = ANSWER.chars().count();
    let expected = [
        &["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"][..],
        &vec!["response.output_text.delta"; deltas],
        &["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"],
    ];
    assert_eq!(names, expected.concat());
    let said: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(said, ANSWER);
    let (first, last) = (&events[0]["response"], &events[events.len() - 1]["response"]);
    assert_eq!((text(last), &last["id"]), (ANSWER, &first["id"]));
    assert_eq!(
        (&first["status"], &first["output"], &first["usage"]),
        (&json!("in_progress"), &json!([]), &Value::Null)
    );
    assert_eq!(last["output"][0]["id"], events[2]["item"]["id"]);
    assert_eq!(events[events.len() - 2]["item"], last["output"][0]);
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so() {
    let app = crate::app(state(Behaviour { fail_after: Some(b','), ..Behaviour::default() }));
    let events = events(&respond(&app, json!({"stream": true})).await);
    let last = events.last().expect("events");
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    assert_eq!(last["response"]["error"]["code"], "server_error");
    assert_eq!(respond(&app, json!({})).await.status.as_u16(), 500);
}

#[tokio::test]
async fn one_response_follows_another() {
    let app = app();
    let first = response(&app, json!({"instructions": "Sing."})).await;
    let second = response(&app, json!({"previous_response_id": first["id"], "input": "again", "stream": false})).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    let turns = ["_user\nhello_\n", "_assistant\n_\n", "_user\nagain_\n", "_assistant\n"];
    let tokens: usize = turns.iter().map(|turn| turn.len()).sum::<usize>() + ANSWER.len();
    assert_eq!(second["usage"]["input_tokens"], tokens, "instructions are not handed on");
    let path = format!("/v1/responses/{}", first["id"].as_str().expect("an id"));
    assert_eq!(send(&app, bare(Method::GET, &path)).await.json(), first);
    let deleted = send(&app, bare(Method::DELETE, &path)).await.json();
    assert_eq!(deleted, json!({"id": first["id"], "object": "response", "deleted": true}));
    for answer in [
        send(&app, bare(Method::GET, &path)).await,
        send(&app, bare(Method::DELETE, &path)).await,
        respond(&app, json!({"previous_response_id": first["id"]})).await,
    ] {
        assert_eq!((answer.status.as_u16(), &answer.error()["code"]), (404, &json!("response_not_found")));
    }
    let unkept = response(&app, json!({"store": false})).await;
    let after = respond(&app, json!({"previous_response_id": unkept["id"]})).await;
    assert_eq!((after.status.as_u16(), &after.error()["param"]), (404, &json!("previous_response_id")));
}

#[tokio::test]
async fn what_one_key_said_is_not_anothers() {
    let mut state = state(Behaviour::default());
    state.keys = ApiKeys::new([ApiKey::new("alpha"), ApiKey::new("beta")]);
    let app = crate::app(state);
    let with_key = |mut request: Request<Body>, key: &str| {
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {key}").parse().expect("a value"));
        request
    };
    let first = send(&app, with_key(post(json!({})), "alpha")).await.json();
    let follow = || post(json!({"previous_response_id": first["id"]}));
    assert_eq!(send(&app, with_key(follow(), "beta")).await.status.as_u16(), 404);
    assert_eq!(send(&app, with_key(follow(), "alpha")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn what_is_not_allowed_is_named() {
    let app = app();
    let note = "x".repeat(513);
    for (fields, param) in [
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": [{"role": "user", "content": "refuse"}]}), "input"),
        (json!({"input": "a".repeat(2100)}), "input"),
        (json!({"input": [{"type": "reasoning"}]}), "input[0].type"),
        (json!({"temperature": 3}), "temperature"),
        (json!({"preference": {"quiet": 1}}), "preference"),
        (json!({"metadata": {"a": note}}), "metadata"),
    ] {
        let answer = respond(&app, fields.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (400, &json!(param)), "{fields}");
    }
    let unasked = json!({"input": [{"role": "system", "content": "a"}], "preference": {"loud": 1}});
    let error = respond(&app, unasked).await.error();
    assert_eq!(error["param"], "input");
    assert!(error["message"].as_str().is_some_and(|message| message.starts_with("input: no message")), "{error}");
}
