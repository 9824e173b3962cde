//! Connections without a proper request, too many of them, and what an open server takes from browsers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::client::error_shape;
use crate::client::{ask, with};
use crate::model;
use crate::poll::{PATIENCE, until};
use crate::server::Server;

/// Send these bytes; what comes back until the server closes: status, head and body.
fn exchange(address: &str, request: &[u8]) -> (u16, String, String) {
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    connection.write_all(request).expect("the server reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer with an end");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// An error of this status and code, in the one shape.
fn refused(address: &str, request: &[u8], status: u16, code: &str) -> String {
    let (found, head, body) = exchange(address, request);
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
    assert_eq!(found, status, "{shown}: {body}");
    assert!(head.contains("content-type: application/json") && head.contains("x-request-id: "), "{shown}: {head}");
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body:?} for {shown}"));
    assert_eq!(error_shape(&body), Ok(()), "{shown}: {body}");
    assert_eq!(body["error"]["code"].as_str().unwrap_or_default(), code, "{shown}: {body}");
    body["error"]["message"].as_str().expect("a message").to_owned()
}

#[test]
fn what_is_no_request_is_answered_in_the_one_shape() {
    let address = Server::shared().address();
    let head = |lines: &str| format!("GET /health HTTP/1.1\r\nconnection: close\r\n{lines}\r\n").into_bytes();
    let large = |bytes: usize| head(&format!("host: localhost\r\nx: {}\r\n", "y".repeat(bytes)));
    let many = |count: usize| head(&format!("host: localhost\r\n{}", "x: y\r\n".repeat(count - 2)));
    for (request, status, code) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh".to_vec(), 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 400, "bad_request"),
        (b"GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n".to_vec(), 400, "bad_request"),
        (b"GE\"T /health HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), 400, "bad_request"),
        (head("host: localhost\r\nno colon\r\n"), 400, "bad_request"),
        (head("host: localhost\r\ncontent-length: twelve\r\n"), 400, "bad_request"),
        (head("host: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n"), 400, "bad_request"),
        (head(""), 400, "invalid_host"),
        (head("host: localhost\r\nhost: localhost\r\n"), 400, "invalid_host"),
        (head("host: a b\r\n"), 400, "invalid_host"),
        (
            format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(66_000)).into_bytes(),
            414,
            "target_too_long",
        ),
        (large(66_000), 431, "head_too_large"),
        (large(90_000), 431, "head_too_large"),
        (large(400_000), 431, "head_too_large"),
        (many(101), 431, "head_too_large"),
    ] {
        refused(address, &request, status, code);
    }
    for request in [large(60_000), many(100)] {
        assert_eq!(exchange(address, &request).0, 200);
    }
    let not_text = b"GET /v1/models/%ff HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec();
    refused(address, &not_text, 400, "");
    // The second of two requests on one connection.
    let two = b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\nnonsense\r\n\r\n".to_vec();
    let (status, _, rest) = exchange(address, &two);
    assert!(status == 200 && rest.contains("HTTP/1.1 400") && rest.contains(r#""code":"bad_request""#), "{rest}");
}

#[test]
fn a_body_is_json_and_not_too_long() {
    let address = Server::shared().address();
    let post = |headers: &str, body: &str| {
        let length = body.len();
        let head = "POST /tokenize HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
        format!("{head}content-length: {length}\r\n{headers}\r\n{body}").into_bytes()
    };
    let body = r#"{"prompt": "hi"}"#;
    for good in ["application/json", "application/json; charset=utf-8", "application/vnd.pad+json"] {
        assert_eq!(exchange(address, &post(&format!("Content-Type: {good}\r\n"), body)).0, 200, "{good}");
    }
    for bad in ["", "content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n"] {
        let message = refused(address, &post(bad, body), 415, "unsupported_content_type");
        assert!(message.contains("application/json"), "{message}");
    }
    let json = "content-type: application/json\r\n";
    let message = refused(
        address,
        &post(&format!("{json}content-encoding: gzip\r\n"), body),
        415,
        "unsupported_content_encoding",
    );
    assert!(message.contains("gzip"), "{message}");
    // One that waits for a word before it sends gets the refusal at once, and no word.
    let waits = format!(
        "POST /tokenize HTTP/1.1\r\nhost: localhost\r\n{json}content-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
    );
    refused(address, waits.as_bytes(), 413, "body_too_large");
    let chunks = format!(
        "POST /tokenize HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{json}transfer-encoding: chunked\r\n\r\nzz\r\n"
    );
    refused(address, chunks.as_bytes(), 400, "body_incomplete");
}

#[test]
fn an_open_server_is_asked_under_its_own_names_and_by_its_own_pages() {
    let get =
        |host: &str, more: &str| format!("GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n");
    let open = Server::shared();
    let address = open.address();
    for host in ["localhost", "localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]:8080", address] {
        assert_eq!(exchange(address, get(host, "").as_bytes()).0, 200, "{host}");
    }
    let message = refused(address, get("evil.example", "").as_bytes(), 403, "host_not_allowed");
    assert!(message.contains("evil.example") && message.contains("server.allowed_hosts"), "{message}");
    let own = format!("origin: http://{address}\r\n");
    assert_eq!(exchange(address, get(address, &own).as_bytes()).0, 200);
    for page in ["http://evil.example", "null", "http://localhost:3000"] {
        let request = get("localhost", &format!("origin: {page}\r\n"));
        refused(address, request.as_bytes(), 403, "origin_not_allowed");
    }
    let named = Server::start(
        &[],
        &[("PAD_SERVER__ALLOWED_HOSTS", "pad.example"), ("PAD_SERVER__CORS_ORIGINS", "https://chat.example")],
    );
    let address = named.address();
    assert_eq!(exchange(address, get("PAD.example:8443", "origin: https://chat.example\r\n").as_bytes()).0, 200);
    refused(address, get("evil.example", "").as_bytes(), 403, "host_not_allowed");
    drop(named);
    let closed = Server::start(&["--api-key", "alpha"], &[]);
    let key = "origin: http://evil.example\r\nauthorization: Bearer alpha\r\n";
    assert_eq!(exchange(closed.address(), get("any.example", key).as_bytes()).0, 200, "who has the key may ask");
}

#[test]
fn idle_connections_give_way() {
    // The limit of files is that of the shell that becomes the server.
    let server = Server::limited(256, &[("PAD_SERVER__HEAD_SECONDS", "300")]);
    let address = server.address();
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 0..400 {
        let mut connection = TcpStream::connect(address).expect("a connection");
        // Some say nothing, some begin to.
        if number % 2 == 0 {
            connection.write_all(b"GET /hea").expect("it is open");
        }
        idle.push(connection);
    }
    let health = exchange(address, b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert_eq!(health.0, 200);
    let mut first = &idle[0];
    first.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    assert!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)), "the longest idle one is closed");
    assert_eq!(server.client().completion(&ask("hi", 1))["usage"]["completion_tokens"], 1);
    assert!(!server.log().contains("could not be accepted"), "{}", server.log());
}

#[test]
fn a_full_server_says_so_and_is_still_watched_over() {
    let server = Server::start(&[], &[("PAD_SERVER__MAX_CONNECTIONS", "2")]);
    let endless = with(ask("Count to ten thousand.", 1800), serde_json::json!({"ignore_eos": true}));
    let running: Vec<_> =
        (0..2).map(|_| server.client().unread(&with(endless.clone(), serde_json::json!({"stream": true})))).collect();
    until("both run", || {
        let health =
            exchange(server.address(), b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let health: Value = serde_json::from_str(&health.2).expect("JSON");
        (health["engine"]["running"] == 2).then_some(())
    });
    let message =
        refused(server.address(), b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", 503, "too_many_connections");
    assert!(message.contains("connections"), "{message}");
    drop(running);
    until("there is room again", || (server.client().get("/v1/models").status == 200).then_some(()));
}

#[test]
fn a_client_that_stops_reading_is_let_go_with_all_that_it_holds() {
    let server = Server::start(&[], &[("PAD_SERVER__WRITE_SECONDS", "1")]);
    // Far more events than the sockets' buffers hold, and far more tokens than are generated until those are full.
    let fields = serde_json::json!({"ignore_eos": true, "stream": true, "n": 16, "pad": {"trace": true, "top_k": 100}});
    let stalled = server.client().unread(&with(ask("Count to ten thousand.", 1000), fields));
    let health = || server.client().get("/health").json()["engine"].clone();
    until("all choices run", || (health()["running"] == 16).then_some(()));
    let after = until("its choices and blocks are given back", || {
        Some(health()).filter(|engine| engine["running"] == 0 && engine["kv_blocks"]["used"] == 0)
    });
    let generated = after["tokens_generated"].as_u64().expect("a number");
    assert!(after["cancelled"] == 16 && generated < 16 * 1000, "they were cut: {after}");
    drop(stalled);
    assert_eq!(server.client().completion(&ask("hi", 1))["usage"]["completion_tokens"], 1);
}

/// A start that fails before the model is loaded: what is said.
fn fails_early(variables: &[(&str, &str)], says: &[&str]) {
    let mut command = model::pad();
    // A model that is not there is noticed only when it is loaded.
    let output =
        command.args(["serve", "--port", "0", "--model", "/nowhere.gguf"]).envs(variables.iter().copied()).output();
    let output = output.expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{variables:?}: {said}");
    for part in says {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert!(!said.contains("nowhere.gguf"), "{said}");
}

#[test]
fn a_setting_that_protects_is_not_empty_by_accident() {
    for variable in ["PAD_API_KEY", "PAD_SERVER__API_KEYS", "PAD_SERVER__API_KEYS_FILE", "PAD_SERVER__TLS__KEY"] {
        for blank in ["", " ", "\t\n"] {
            fails_early(&[(variable, blank)], &[variable, "empty"]);
        }
    }
    fails_early(&[("PAD_API_KEY", ",")], &["server.api_keys", "PAD_API_KEY"]);
    fails_early(&[("PAD_API_KEY", "se cret")], &["server.api_keys", "visible ASCII"]);
}

#[test]
fn files_are_read_before_the_model() {
    fails_early(&[("PAD_SERVER__API_KEYS_FILE", "/nowhere/keys")], &["server.api_keys_file", "/nowhere/keys"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys");
    std::fs::write(&file, "# nobody\n").expect("a file");
    let path = file.to_str().expect("text");
    fails_early(&[("PAD_SERVER__API_KEYS_FILE", path)], &["no key"]);
    fails_early(&[("PAD_SERVER__TLS__CERTIFICATE", path), ("PAD_SERVER__TLS__KEY", path)], &["server.tls"]);
    fails_early(&[("PAD_HOST", "203.0.113.7")], &["203.0.113.7"]);
    fails_early(&[("PAD_SERVER__ALLOWED_HOSTS", "pad:80")], &["server.allowed_hosts"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 256; exec \"$0\" serve --port 0", env!("CARGO_BIN_EXE_pad")]);
    let output = shell.env("PAD_SERVER__MAX_CONNECTIONS", "5000").output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("server.max_connections") && said.contains("256"), "{said}");
}
