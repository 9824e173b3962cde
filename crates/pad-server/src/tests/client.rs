//! A strict client: checks the shape of everything it reads.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

/// An answer that was read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The `error` of an error, whose shape is checked: four keys, strings or null.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        let body = self.json();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
        let error = &body["error"];
        let keys: Vec<&str> = error.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys.len(), 4, "{error}");
        assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
        for key in ["param", "code"] {
            assert!(keys.contains(&key) && (error[key].is_null() || error[key].is_string()), "{error}");
        }
        error.clone()
    }
}

/// A request without a body.
pub(crate) fn bare(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", "pad").body(Body::empty()).expect("a request")
}

/// A request with this body, which is JSON.
pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path).header("host", "pad");
    request.header("content-type", "application/json").body(body.into()).expect("a request")
}

/// A chat request with this body.
pub(crate) fn post_chat(body: impl Into<Body>) -> Request<Body> {
    post("/v1/chat/completions", body)
}

/// Send a request, read the whole answer. An answer that does not come fails the test.
pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let answer = tokio::time::timeout(Duration::from_secs(30), read(app, request)).await;
    answer.expect("the answer comes to an end")
}

async fn read(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.expect("routers do not fail");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("the body is whole");
    let text = String::from_utf8(bytes.to_vec()).expect("the body is text");
    Answer { status: parts.status, headers: parts.headers, text }
}

/// GET a path.
pub(crate) async fn get(app: &Router, path: &str) -> Answer {
    send(app, bare(Method::GET, path)).await
}

/// Say "hello" with further fields.
pub(crate) async fn chat(app: &Router, fields: Value) -> Answer {
    send(app, post_chat(hello(fields).to_string())).await
}

/// A chat body that says "hello" and has further fields.
pub(crate) fn hello(fields: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "hello"}]});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

/// The events of a stream but `[DONE]`: only `data:` lines and comments, each followed by an empty line, `[DONE]` last and once.
pub(crate) fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = answer.text.strip_suffix("\n\n").expect("the last event is complete");
    let mut data: Vec<&str> = Vec::new();
    for event in text.split("\n\n") {
        assert!(!event.contains('\n'), "one line each: {event:?}");
        match event.strip_prefix("data: ") {
            Some(payload) => data.push(payload),
            None => assert!(event.starts_with(':'), "neither data nor comment: {event:?}"),
        }
    }
    assert_eq!(data.pop(), Some("[DONE]"));
    let json = |payload: &str| serde_json::from_str(payload).unwrap_or_else(|error| panic!("{error}: {payload}"));
    data.into_iter().map(json).collect()
}

/// A stream that was read strictly.
pub(crate) struct Stream {
    /// Everything but `[DONE]`.
    pub(crate) events: Vec<Value>,
}

impl Stream {
    /// Read a stream's text.
    pub(crate) fn read(answer: &Answer) -> Self {
        Self { events: events(answer) }
    }

    /// What choice `index` says: opened by the role once, ended by one finish of its own, in this order.
    pub(crate) fn choice(&self, index: usize) -> (String, String) {
        let choices: Vec<&Value> = self.choices(index).collect();
        let (opening, rest) = choices.split_first().expect("a choice has chunks");
        assert_eq!(opening["delta"], json!({"role": "assistant", "content": ""}));
        let (finish, words) = rest.split_last().expect("a choice ends");
        assert_eq!(finish["delta"], json!({}));
        let mut text = String::new();
        for word in words {
            assert!(word["finish_reason"].is_null() && word["delta"].get("role").is_none(), "{word}");
            let content = word["delta"]["content"].as_str().expect("words");
            assert!(!content.is_empty(), "{word}");
            text.push_str(content);
        }
        (text, finish["finish_reason"].as_str().expect("a reason").to_owned())
    }

    /// The chunks of choice `index`, whose constant fields are checked.
    pub(crate) fn choices(&self, index: usize) -> impl Iterator<Item = &Value> {
        for chunk in &self.events {
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
            for key in ["id", "created", "model", "system_fingerprint"] {
                assert_eq!(chunk[key], self.events[0][key], "{chunk}");
            }
        }
        let choices = self.events.iter().filter_map(|chunk| chunk["choices"].get(0));
        choices.filter(move |choice| choice["index"] == index)
    }
}
