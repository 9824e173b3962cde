//! What surrounds a request: encryption, browsers, limits of time and of keys.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::client::{bare, chat, get, hello, post_chat, send};
use super::memory_listener::listener;
use super::model::{Behaviour, Gate};
use super::server::{app, state};
use crate::{ApiKey, ApiKeys, Origins, RequestLimits, Tls};

const CERTIFICATE: &[u8] = include_bytes!("data/tls_certificate.pem");
const KEY: &[u8] = include_bytes!("data/tls_key.pem");

fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    TlsConnector::from(Arc::new(config.with_no_client_auth()))
}

#[tokio::test]
async fn a_certificate_encrypts() {
    let (dialer, listener) = listener();
    let (stop, stopped) = oneshot::channel::<()>();
    let tls = Tls::from_pem(CERTIFICATE, KEY).expect("they belong together");
    let shutdown = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(crate::run::serve(
        listener,
        Some(tls),
        state(Behaviour::default()),
        shutdown,
        std::future::pending(),
    ));
    // One that does not shake hands keeps nobody waiting.
    let silent = dialer.dial().await.expect("the server accepts");
    let name = ServerName::try_from("localhost").expect("a name");
    let plain = dialer.dial().await.expect("the server accepts");
    let mut connection = connector().connect(name, plain).await.expect("a secure connection");
    connection.write_all(b"GET /version HTTP/1.1\r\nhost: pad\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'), "{answer}");
    let mut unencrypted = dialer.dial().await.expect("the server accepts");
    unencrypted.write_all(b"GET /version HTTP/1.1\r\nhost: pad\r\n\r\n").await.expect("sent");
    let mut alert = Vec::new();
    unencrypted.read_to_end(&mut alert).await.expect("an end");
    assert!(!alert.starts_with(b"HTTP"), "{alert:?}");
    drop(silent);
    stop.send(()).expect("it runs");
    serving.await.expect("it ends");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told() {
    let says = |certificate: &[u8], key: &[u8]| Tls::from_pem(certificate, key).expect_err("refused").to_string();
    assert!(says(b"", KEY).contains("no certificate"));
    assert!(says(CERTIFICATE, b"").contains("private key"));
    assert!(says(CERTIFICATE, CERTIFICATE).contains("private key"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_head_is_let_go() {
    let (dialer, listener) = listener();
    let serving = tokio::spawn(crate::run::serve(
        listener,
        None,
        state(Behaviour::default()),
        std::future::pending(),
        std::future::pending(),
    ));
    let mut connection = dialer.dial().await.expect("the server accepts");
    connection.write_all(b"GET /version HTTP/1.1\r\nhost: p").await.expect("sent");
    let begun = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    assert_eq!(begun.elapsed().as_secs(), 60);
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_let_go() {
    let (dialer, listener) = listener();
    let mut state = state(Behaviour::default());
    state.limits = RequestLimits { write_time: Duration::from_secs(7), ..state.limits };
    let never = std::future::pending;
    let serving = tokio::spawn(crate::run::serve(listener, None, state, never(), never()));
    let mut connection = dialer.dial().await.expect("the server accepts");
    // More than a connection in memory holds.
    connection.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: pad\r\n\r\n").await.expect("sent");
    tokio::time::sleep(Duration::from_secs(8)).await;
    let mut heard = Vec::new();
    let _ = connection.read_to_end(&mut heard).await;
    let head = String::from_utf8_lossy(&heard[..heard.len().min(2000)]).to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
    assert!(length.is_some_and(|length| heard.len() < length), "{} bytes of {length:?} came", heard.len());
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let never = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let mut state = state(Behaviour::default());
    state.limits = RequestLimits { body_time: Duration::from_secs(5), ..state.limits };
    let answer = send(&crate::app(state), post_chat(never)).await;
    assert_eq!((answer.status.as_u16(), &answer.error()["code"]), (408, &json!("body_timeout")));
}

#[tokio::test(start_paused = true)]
async fn an_answer_ends_when_its_time_is_over() {
    let gate = Gate::after(2);
    let mut state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    state.limits = RequestLimits { answer: Some(Duration::from_secs(7)), ..state.limits };
    let engine = state.engine.clone();
    let app = crate::app(state);
    // Time stands still until everybody waits, so the two tokens are there before it is over.
    let mut asked = Box::pin(chat(&app, json!({})));
    while engine.status().tokens_generated < 2 {
        assert!(futures::poll!(&mut asked).is_pending());
        tokio::task::yield_now().await;
    }
    let answer = asked.await.json();
    let choice = &answer["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("hi"), &json!("length")));
    gate.open();
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_read_answers() {
    let mut state = state(Behaviour::default());
    state.origins = Origins::parse(["https://chat.example.org"]).expect("an origin");
    state.keys = ApiKeys::new([ApiKey::new("alpha")]);
    let app = crate::app(state);
    let preflight = |origin: &str| {
        let request = Request::builder().method(Method::OPTIONS).uri("/v1/chat/completions").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization,x-stainless-os").body(Body::empty())
    };
    let answer = send(&app, preflight("https://chat.example.org").expect("a request")).await;
    assert_eq!(answer.status.as_u16(), 200, "no key is needed to ask");
    assert_eq!(answer.headers["access-control-allow-origin"], "https://chat.example.org");
    assert_eq!(answer.headers["access-control-allow-headers"], "authorization,x-stainless-os");
    let stranger = send(&app, preflight("https://evil.example.org").expect("a request")).await;
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
    let mut request = bare(Method::GET, "/v1/models");
    request.headers_mut().insert("origin", "https://chat.example.org".parse().expect("a value"));
    let refused = send(&app, request).await;
    assert_eq!(refused.status.as_u16(), 401);
    assert_eq!(refused.headers["access-control-allow-origin"], "https://chat.example.org", "errors can be read, too");
    let exposed = refused.headers["access-control-expose-headers"].to_str().expect("text");
    assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
}

#[tokio::test]
async fn a_server_without_origins_says_nothing_to_browsers() {
    let mut request = bare(Method::GET, "/version");
    request.headers_mut().insert("origin", "https://chat.example.org".parse().expect("a value"));
    assert!(!send(&app(), request).await.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_keys_tokens_run_out_and_the_client_is_told() {
    let mut state = state(Behaviour::default());
    state.keys = ApiKeys::new([ApiKey::new("alpha").limited(4).rated(40)]);
    let app = crate::app(state);
    let ask = || {
        let mut request = post_chat(hello(json!({"max_tokens": 4})).to_string());
        request.headers_mut().insert(header::AUTHORIZATION, "Bearer alpha".parse().expect("a value"));
        request
    };
    let first = send(&app, ask()).await;
    assert_eq!(first.status.as_u16(), 200);
    let used = first.json()["usage"]["total_tokens"].as_i64().expect("a number");
    let number = |name: &str, headers: &axum::http::HeaderMap| -> i64 {
        headers[name].to_str().ok().and_then(|text| text.parse().ok()).expect("a number")
    };
    assert_eq!(number("x-ratelimit-limit-tokens", &first.headers), 40);
    let left = number("x-ratelimit-remaining-tokens", &first.headers);
    assert!((0..=2).contains(&(left - (40 - used))), "{left} of 40 are left after {used}");
    assert_eq!(number("x-ratelimit-limit-requests", &first.headers), 4);
    assert!(first.headers["x-ratelimit-reset-tokens"].to_str().is_ok_and(|time| time.ends_with('s')));
    let second = send(&app, ask()).await;
    assert_eq!(second.status.as_u16(), 200, "what is left lets one more in");
    let third = send(&app, ask()).await;
    assert_eq!((third.status.as_u16(), &third.error()["code"]), (429, &json!("rate_limit_exceeded")));
    assert!(number("retry-after", &third.headers) > 1, "{:?}", third.headers);
    assert_eq!(number("x-ratelimit-remaining-tokens", &third.headers), 0);
}

#[tokio::test]
async fn a_stop_string_waits_for_the_least_number_of_tokens() {
    let app = app();
    let text = async |fields: serde_json::Value| {
        let answer = chat(&app, fields).await.json();
        answer["choices"][0]["message"]["content"].as_str().expect("a text").to_owned()
    };
    assert_eq!(text(json!({"stop": ["i", "j"]})).await, "h");
    assert_eq!(text(json!({"stop": ["i", "j"], "min_tokens": 3})).await, "hi, ");
    assert_eq!(text(json!({"stop": ["i", "j"], "min_tokens": 2})).await, "h", "the second token may end it");
    assert_eq!(text(json!({"stop": "j", "ignore_eos": true})).await, "hi, ", "an end token is another thing");
}

#[tokio::test]
async fn routes_of_others_are_told_apart() {
    let answer = get(&app(), "/v1/moderations").await;
    assert_eq!((answer.status.as_u16(), &answer.error()["code"]), (404, &json!("route_not_found")));
    assert!(answer.text.contains("has no moderation"), "{}", answer.text);
}
