//! A chat server that answers as a function says, and counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pad_client::{Client, Connections};
use serde_json::{Value, json};

/// An answer and whether it is whole.
pub type Said = (String, bool);

/// A server on a thread of its own, for as long as the test runs.
pub struct Fake {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Fake {
    /// Answers the body of each request with these answers, or an error's status and message.
    pub fn start(answer: impl Fn(&Value) -> Result<Vec<Said>, (u16, &'static str)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, answer) = (Arc::clone(&counter), Arc::clone(&answer));
                thread::spawn(move || {
                    while let Some(body) = request(&stream) {
                        counter.fetch_add(1, Ordering::Relaxed);
                        respond(&stream, answer(&body));
                    }
                });
            }
        });
        Self { url, asked }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, None, Connections { most: 4, timeout: Duration::from_mins(1) }).unwrap()
    }

    /// Requests so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The body of the next request of a connection.
fn request(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn respond(mut stream: &TcpStream, answer: Result<Vec<Said>, (u16, &'static str)>) {
    let (status, body) = match answer {
        Ok(answers) => {
            let choice = |(text, whole): Said| json!({"message": {"role": "assistant", "content": text}, "finish_reason": if whole { "stop" } else { "length" }});
            (200, json!({"choices": answers.into_iter().map(choice).collect::<Vec<_>>()}))
        }
        Err((status, message)) => (status, json!({"error": {"message": message}})),
    };
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    // A client that is gone needs no answer.
    let _ = stream.write_all((head + &body).as_bytes());
}
