//! Going down: nothing new is taken, what runs is finished.

use std::time::Duration;

use axum::http::header;
use futures::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::client::{chat, get, hello, post_chat};
use super::memory_listener::{Dialer, listener};
use super::model::{Behaviour, Gate};
use super::server::state;
use crate::{AppState, Ended, RequestLimits};

#[tokio::test]
async fn a_draining_server_finishes_its_streams_and_takes_nothing() {
    let gate = Gate::after(1);
    let state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    let engine = state.engine.clone();
    let app = crate::app(state);
    let body = hello(json!({"stream": true}));
    let running = app.clone().oneshot(post_chat(body.to_string())).await.expect("a stream");
    engine.drain();
    let refused = chat(&app, json!({})).await;
    assert_eq!((refused.status.as_u16(), &refused.error()["code"]), (503, &json!("draining")));
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    let ready = get(&app, "/ready").await;
    assert_eq!((ready.status.as_u16(), &ready.error()["code"]), (503, &json!("draining")));
    assert_eq!(get(&app, "/health").await.json()["status"], "draining", "it lives");
    gate.open();
    let chunks: Vec<_> = running.into_body().into_data_stream().collect().await;
    let last = chunks.last().and_then(|chunk| chunk.as_ref().ok()).expect("a last chunk");
    assert_eq!(last.as_ref(), b"data: [DONE]\n\n");
    engine.idle().await;
}

/// A server over connections in memory: how to dial it, how to stop it, and its end.
fn start(state: AppState) -> (Dialer, oneshot::Sender<()>, JoinHandle<Ended>) {
    let (dialer, listener) = listener();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    (dialer, stop, tokio::spawn(crate::run::serve(listener, None, state, shutdown, std::future::pending())))
}

/// A connection on which a stream was asked for.
async fn ask(dialer: &Dialer) -> DuplexStream {
    let mut connection = dialer.dial().await.expect("the server accepts");
    let body = hello(json!({"stream": true})).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: pad\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{body}").as_bytes()).await.expect("the server reads");
    connection
}

/// Read until `words` came.
async fn hear(connection: &mut DuplexStream, words: &str) {
    let mut heard = String::new();
    while !heard.contains(words) {
        let mut buffer = [0; 1024];
        let count = connection.read(&mut buffer).await.expect("the server writes");
        assert!(count > 0, "the connection ended after {heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

#[tokio::test]
async fn serving_ends_when_the_last_stream_has() {
    let gate = Gate::after(1);
    let state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    let (dialer, stop, serving) = start(state);
    let mut running = ask(&dialer).await;
    hear(&mut running, "assistant").await;
    stop.send(()).expect("the server listens");
    // The server still answers, and says why it takes nothing.
    let refused = async { hear(&mut ask(&dialer).await, "HTTP/1.1 503").await };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("new requests are not queued");
    assert!(!serving.is_finished());
    gate.open();
    hear(&mut running, "[DONE]").await;
    assert_eq!(serving.await.ok(), Some(Ended::Complete));
    assert!(dialer.dial().await.is_err(), "nothing is accepted any more");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_ends_is_waited_for_so_long_and_no_longer() {
    let gate = Gate::after(1);
    let mut state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    state.limits = RequestLimits { drain: Duration::from_mins(1), ..state.limits };
    let (dialer, stop, serving) = start(state);
    let mut running = ask(&dialer).await;
    hear(&mut running, "assistant").await;
    let begun = tokio::time::Instant::now();
    stop.send(()).expect("the server listens");
    assert_eq!(serving.await.ok(), Some(Ended::Interrupted));
    assert_eq!(begun.elapsed().as_secs(), 60);
    let mut rest = String::new();
    running.read_to_string(&mut rest).await.expect("the stream has an end");
    assert!(rest.contains(r#""code":"interrupted""#) && rest.contains("data: [DONE]\n\n"), "{rest}");
    gate.open();
}
