//! What is logged: names and figures, never words.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::client::{chat, hello, post_chat, send};
use super::model::Behaviour;
use super::server::{app, state};

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("the log").clone()).expect("text")
    }

    /// Everything from trace level up, of this thread, until the guard is dropped.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let layer = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || log.clone());
        tracing::subscriber::set_default(layer.finish())
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

#[tokio::test]
async fn lines_have_the_requests_name_and_none_of_its_words() {
    let log = Log::default();
    let guard = log.listen();
    let app = app();
    for fields in [
        json!({"preference": {"loud": 1}, "stop": "SECRET"}),
        json!({"preference": "SECRET", "stream": true}),
        json!({"messages": [{"role": "user", "content": "SECRET"}], "user": "SECRET"}),
        json!({"messages": "SECRET"}),
        json!({"temperature": "SECRET"}),
        json!({"preference": {"SECRET": 1}}),
    ] {
        let mut request = post_chat(hello(fields).to_string());
        request.headers_mut().insert("x-request-id", "named-7".parse().expect("a header"));
        request.headers_mut().insert("authorization", "Bearer SECRET".parse().expect("a header"));
        send(&app, request).await;
    }
    drop(guard);
    let text = log.text();
    assert!(!text.contains("SECRET") && !text.contains("hello"), "{text}");
    let about = |words: &str| text.lines().filter(|line| line.contains("named-7") && line.contains(words)).count();
    assert_eq!(about("answered"), 6, "{text}");
    assert_eq!(about("generated"), 3, "also of the stream, whose handler had returned: {text}");
    assert_eq!(about("ignored an unknown field"), 1, "{text}");
}

#[tokio::test]
async fn a_failure_is_logged_with_the_requests_name() {
    let log = Log::default();
    let guard = log.listen();
    let app = crate::app(state(Behaviour { fail_after: Some(b'h'), ..Behaviour::default() }));
    chat(&app, json!({"stream": true})).await;
    drop(guard);
    let text = log.text();
    assert!(
        text.lines().any(|line| line.contains("ERROR") && line.contains("req-") && line.contains("failed")),
        "{text}"
    );
}
