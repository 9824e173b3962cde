//! What is logged: names and figures, never words.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use serde_json::{Value, json};

use super::client::{hello, post_chat, send};
use super::model::Behaviour;
use super::server::{app, state};

/// Everything that this process logs, from trace level up. One subscriber for all threads: tracing remembers for the whole
/// process which lines nobody listens to.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).expect("there is no other subscriber");
    log
});

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("the log").clone()).expect("text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Send a chat request under a name, with a secret for a key.
async fn send_named(app: &Router, name: &str, fields: Value) {
    let mut request = post_chat(hello(fields).to_string());
    request.headers_mut().insert("x-request-id", name.parse().expect("a header"));
    request.headers_mut().insert("authorization", "Bearer SECRET".parse().expect("a header"));
    send(app, request).await;
}

#[tokio::test]
async fn lines_have_the_requests_name_and_none_of_its_words() {
    let log = &*LOG;
    let app = app();
    for fields in [
        json!({"preference": {"loud": 1}, "stop": "SECRET"}),
        json!({"preference": "SECRET", "stream": true}),
        json!({"messages": [{"role": "user", "content": "SECRET"}], "user": "SECRET", "unheard_of": "SECRET"}),
        json!({"messages": "SECRET"}),
        json!({"temperature": "SECRET"}),
        json!({"preference": {"SECRET": 1}}),
    ] {
        send_named(&app, "named-7", fields).await;
    }
    let text = log.text();
    assert!(!text.contains("SECRET") && !text.contains("hello"), "{text}");
    let about = |words: &str| text.lines().filter(|line| line.contains("named-7") && line.contains(words)).count();
    assert_eq!(about("answered"), 6, "{text}");
    assert_eq!(about("generated"), 3, "also of the stream, whose handler had returned: {text}");
    assert_eq!(about("ignored an unknown field"), 1, "{text}");
}

#[tokio::test]
async fn a_failure_is_logged_with_the_requests_name() {
    let log = &*LOG;
    let app = crate::app(state(Behaviour { fail_after: Some(b'h'), ..Behaviour::default() }));
    send_named(&app, "failing-7", json!({"stream": true})).await;
    let text = log.text();
    let told =
        |line: &str| line.contains("ERROR") && line.contains("failing-7") && line.contains("a generation failed");
    assert!(text.lines().any(told), "{text}");
}
