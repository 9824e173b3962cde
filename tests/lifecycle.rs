//! Clients that leave, and a server that is told to stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::client::{ask, with};
use crate::model;
use crate::poll::until;
use crate::server::Server;

/// A request that runs for as long as anyone listens: no test waits for its end.
fn endless() -> Value {
    with(ask("Write down all numbers from one to ten thousand.", 1800), json!({"preference": {"expert": 1}, "n": 2}))
}

/// Nothing runs, nothing waits, no block is held.
fn empty(engine: &Value) -> bool {
    engine["running"] == 0 && engine["waiting"] == 0 && engine["kv_blocks"]["used"] == 0
}

fn until_empty(server: &Server) -> Value {
    until("everything is given back", || {
        let engine = server.engine();
        empty(&engine).then_some(engine)
    })
}

#[test]
fn a_client_that_leaves_frees_what_it_held() {
    let server = Server::start(&[], &[]);
    let lines = server.client().lines(&endless());
    let held = until("the stream runs", || {
        let engine = server.engine();
        (engine["running"] == 2 && engine["tokens_generated"].as_u64() > Some(8)).then_some(engine)
    });
    assert!(held["kv_blocks"]["used"].as_u64() >= Some(8), "four lanes hold memory: {held}");
    drop(lines);
    let engine = until_empty(&server);
    assert_eq!((&engine["cancelled"], &engine["finished"]), (&json!(2), &json!(0)));
    assert!(engine["tokens_generated"].as_u64() < Some(1800), "it did not run to its end: {engine}");

    let waiting = server.client().unread(&endless());
    until("the answer is being made", || (server.engine()["running"] == 2).then_some(()));
    drop(waiting);
    let engine = until_empty(&server);
    assert_eq!(engine["cancelled"], 4, "an answer in one piece is given up as well");
    let page = server.client().get("/metrics").text;
    assert!(page.contains("vllm:kv_cache_usage_perc{model_name=\"smollm2-135m-instruct\"} 0\n"), "{page}");
}

#[test]
fn a_client_that_waits_in_the_queue_may_leave_too() {
    let server = Server::start(&[], &[("PAD_ENGINE__MAX_SEQUENCES", "2")]);
    let running = server.client().lines(&endless());
    until("the first runs", || (server.engine()["running"] == 2).then_some(()));
    let waiting = server.client().unread(&endless());
    until("the second waits", || (server.engine()["waiting"] == 2).then_some(()));
    drop(waiting);
    until("the second is gone", || (server.engine()["waiting"] == 0).then_some(()));
    assert_eq!(server.engine()["running"], 2, "the first goes on");
    drop(running);
    assert_eq!(until_empty(&server)["cancelled"], 4);
}

#[test]
fn told_to_stop_it_finishes_what_runs() {
    let server = Server::start(&[], &[]);
    let mut lines = server.client().lines(&ask("Write a long story about the sea.", 160));
    let first = lines.next().expect("the stream has begun");
    assert!(first.contains("assistant"), "{first}");
    server.terminate();
    let refusal = until("readiness goes off", || {
        let answer = server.client().get("/ready");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(refusal.error()["code"], "draining");
    assert_eq!(server.client().get("/health").json()["status"], "draining", "it lives while it drains");
    let refused = server.client().chat(&ask("hi", 1));
    assert_eq!((refused.status, refused.error()["code"].as_str()), (503, Some("draining")));
    assert!(refused.headers.contains_key("retry-after"));
    let rest: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    assert_eq!(rest.last().map(String::as_str), Some("data: [DONE]"), "the stream is complete");
    assert!(
        rest.iter()
            .any(|line| line.contains(r#""finish_reason":"length""#) || line.contains(r#""finish_reason":"stop""#))
    );
    let status = until("the process ends", || server.exit_status());
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[test]
fn told_to_stop_with_nothing_to_do_it_ends() {
    let server = Server::start(&[], &[]);
    server.client().completion(&ask("hi", 1));
    server.terminate();
    assert_eq!(until("the process ends", || server.exit_status()).code(), Some(0), "{}", server.log());
}

#[test]
fn time_to_finish_is_bounded() {
    let server = Server::start(&[], &[("PAD_SERVER__DRAIN_SECONDS", "1")]);
    cut_off(&server, || server.terminate());
}

#[test]
fn a_second_signal_does_not_wait() {
    let server = Server::start(&[], &[("PAD_SERVER__DRAIN_SECONDS", "3600")]);
    cut_off(&server, || {
        server.terminate();
        until("the first is heard", || (server.client().get("/ready").status == 503).then_some(()));
        server.terminate();
    });
}

/// What runs when the time is over is told so: a stream by its last event, another request by its status, the caller by the status of
/// the process.
fn cut_off(server: &Server, end: impl FnOnce()) {
    let mut lines = server.client().lines(&endless());
    assert!(lines.next().is_some());
    let whole = thread::spawn({
        let client = server.client();
        move || client.chat(&endless())
    });
    until("both run", || (server.engine()["running"] == 4).then_some(()));
    end();
    let rest: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let [.., error, done] = rest.as_slice() else { panic!("no end: {rest:?}") };
    assert_eq!(done, "data: [DONE]");
    let error: Value = serde_json::from_str(error.strip_prefix("data: ").expect("data")).expect("JSON");
    assert_eq!(error["error"]["code"], "interrupted", "{error}");
    let whole = whole.join().expect("an answer");
    assert_eq!((whole.status, whole.error()["code"].as_str()), (503, Some("interrupted")));
    assert_eq!(until("the process ends", || server.exit_status()).code(), Some(3), "{}", server.log());
    assert!(server.log().contains("interrupted"), "{}", server.log());
}

#[test]
fn clients_that_say_no_more_do_not_hold_the_end() {
    let patient = [
        ("PAD_SERVER__DRAIN_SECONDS", "3600"),
        ("PAD_SERVER__HEAD_SECONDS", "3600"),
        ("PAD_SERVER__BODY_SECONDS", "3600"),
    ];
    let server = Server::start(&[], &patient);
    let begin = |bytes: &str| {
        let mut connection = TcpStream::connect(server.address()).expect("a connection");
        connection.write_all(bytes.as_bytes()).expect("the server reads");
        connection
    };
    let head =
        "POST /tokenize HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n";
    let half = [begin(""), begin("GET /hea"), begin(&format!("{head}{{\"prompt\": ")), begin("\x16\x03\x01")];
    let mut half_body = &half[2];
    // The last request is taken after the others have come.
    server.client().completion(&ask("hi", 1));
    server.terminate();
    let mut answer = String::new();
    half_body.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""code":"draining""#), "{answer}");
    assert_eq!(until("the process ends", || server.exit_status()).code(), Some(0), "{}", server.log());
}

#[test]
fn routers_are_told_before_requests_are_refused() {
    let server =
        Server::start(&[], &[("PAD_SERVER__LAME_DUCK_SECONDS", "3600"), ("PAD_SERVER__DRAIN_SECONDS", "3600")]);
    server.terminate();
    let ready = until("readiness goes off", || {
        let answer = server.client().get("/ready");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(ready.error()["code"], "draining");
    assert_eq!(server.client().get("/health").json()["status"], "draining");
    assert_eq!(server.client().completion(&ask("hi", 1))["usage"]["completion_tokens"], 1, "requests are still taken");
    assert!(server.exit_status().is_none());
    server.terminate();
    assert_eq!(until("the process ends", || server.exit_status()).code(), Some(0), "nothing was broken off");
}

/// A start that fails: what is said on standard error.
fn fails(arguments: &[&str], says: &[&str]) {
    let output = model::pad().args(arguments).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?} fails");
    for part in says {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_start_that_cannot_be_says_why() {
    fails(&["serve", "--model", "/nowhere/model.gguf"], &["/nowhere/model.gguf"]);
    fails(&["serve", "--config", "/nowhere/pad.toml"], &["/nowhere/pad.toml"]);
    fails(&["serve", "--reward", "/nowhere/persrm"], &["/nowhere/persrm"]);
    fails(&["serve", "--model", "ftp:what"], &["ftp:what"]);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("its address").port().to_string();
    fails(&["serve", "--host", "127.0.0.1", "--port", &port], &[&port]);
    let mut command = model::pad();
    let output = command.arg("serve").env("PAD_SERVER__PROT", "1").output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("server.prot"), "{said}");
}

#[test]
fn help_names_the_commands() {
    let output = Command::new(env!("CARGO_BIN_EXE_pad")).arg("--help").output().expect("the binary starts");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.success() && ["serve", "pull", "openapi"].iter().all(|command| text.contains(command)),
        "{text}"
    );
}
