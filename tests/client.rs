//! An HTTP client that takes nothing on trust.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, Body};

use crate::poll::PATIENCE;
use crate::sse::Stream;

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    address: String,
    key: Option<String>,
    headers: Vec<(&'static str, &'static str)>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Client {
    /// A client of the server at `address`.
    pub fn new(address: &str) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(PATIENCE));
        Self { agent: agent.build().into(), address: address.to_owned(), key: None, headers: Vec::new() }
    }

    /// The same client with an API key.
    pub fn with_key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The same client with a header in every request.
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Ask for a path.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    /// Any method, path and body.
    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        Answer::read(self.open(method, path, body))
    }

    /// A chat request; its answer may be an error.
    pub fn chat(&self, body: &Value) -> Answer {
        self.send("POST", "/v1/chat/completions", &body.to_string())
    }

    /// A chat request that is answered; its answer.
    pub fn completion(&self, body: &Value) -> Value {
        let answer = self.chat(body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        answer.json()
    }

    /// A chat request that is answered in chunks, read strictly to the end.
    pub fn stream(&self, body: &Value) -> Stream {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let answer = self.chat(&body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        Stream::read(&answer.text).unwrap_or_else(|why| panic!("{why} in\n{}", answer.text))
    }

    /// A stream that is read line by line; dropping it hangs up.
    pub fn lines(&self, body: &Value) -> impl Iterator<Item = String> + use<> {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let response = self.open("POST", "/v1/chat/completions", &body.to_string());
        assert_eq!(response.status(), 200);
        BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok)
    }

    /// Send a chat request and read nothing; dropping the connection hangs up.
    pub fn unread(&self, body: &Value) -> TcpStream {
        let body = body.to_string();
        let mut connection = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        connection.write_all((head + &body).as_bytes()).expect("the request is sent");
        connection
    }

    fn open(&self, method: &str, path: &str, body: &str) -> Response<Body> {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let sent = if body.is_empty() {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.header("content-type", "application/json").body(body).expect("a request"))
        };
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }
}

impl Answer {
    fn read(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let mut text = String::new();
        body.into_reader().read_to_string(&mut text).expect("the body is whole, and text");
        Self { status: head.status.as_u16(), headers: head.headers, text }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The error of an answer that is one. Every error has the same shape.
    pub fn error(&self) -> Value {
        let mut body = self.json();
        if let Err(why) = error_shape(&body) {
            panic!("{why}: {body}");
        }
        body["error"].take()
    }
}

/// Whether a body is `{"error": {"message", "type", "param", "code"}}`, the last two a string or null.
pub fn error_shape(body: &Value) -> Result<(), String> {
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    if !keys(body).iter().eq(["error"]) {
        return Err("an error is one object named `error`".to_owned());
    }
    let error = &body["error"];
    if !keys(error).iter().eq(["code", "message", "param", "type"]) {
        return Err("an error has a message, a type, a param and a code".to_owned());
    }
    let text = |key: &str| error[key].as_str().is_some_and(|text| !text.is_empty());
    let optional = |key: &str| error[key].is_null() || text(key);
    if text("message") && text("type") && optional("param") && optional("code") {
        return Ok(());
    }
    Err("the fields of an error are strings; param and code may be null".to_owned())
}

/// A greedy chat request of one user message.
pub fn ask(content: &str, max_tokens: usize) -> Value {
    json!({"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens, "temperature": 0})
}

/// `body` with further fields.
pub fn with(mut body: Value, fields: Value) -> Value {
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

/// The text of a completion's choice.
pub fn text(completion: &Value, choice: usize) -> &str {
    completion["choices"][choice]["message"]["content"].as_str().expect("a text")
}

/// The tokens in the trace of a choice, of a completion or of a chunk.
pub fn tokens(choice: &Value) -> Vec<u64> {
    let trace = choice["pad"]["trace"].as_array().expect("a trace");
    trace.iter().map(|step| step["token"].as_u64().expect("a token")).collect()
}
