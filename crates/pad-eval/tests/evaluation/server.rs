//! A server whose answers follow preferences by rule: fewer words for `concise`, more happy ones for `cheerful`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The server, on a port of this machine.
pub struct FakeServer {
    url: String,
    conduct: Arc<Conduct>,
}

/// How it behaves, and what it was asked.
struct Conduct {
    /// It has a route for rewards.
    rewards: bool,
    /// It answers so many chat requests, and fails all others.
    patience: usize,
    chats: AtomicUsize,
    judged: AtomicUsize,
    /// The bodies of the chat requests.
    heard: Mutex<Vec<Value>>,
}

impl FakeServer {
    pub fn start() -> Self {
        Self::with(true, usize::MAX)
    }

    pub fn with(rewards: bool, patience: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (chats, judged) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let conduct = Arc::new(Conduct { rewards, patience, chats, judged, heard: Mutex::default() });
        let shared = Arc::clone(&conduct);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let conduct = Arc::clone(&shared);
                // A client that hangs up early is its own affair.
                thread::spawn(move || drop(serve(stream, &conduct)));
            }
        });
        Self { url, conduct }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many answers were asked for.
    pub fn chats(&self) -> usize {
        self.conduct.chats.load(Ordering::SeqCst)
    }

    /// The bodies of the chat requests so far.
    pub fn heard(&self) -> Vec<Value> {
        self.conduct.heard.lock().unwrap().clone()
    }

    /// How many rewards were asked for.
    pub fn judged(&self) -> usize {
        self.conduct.judged.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, conduct: &Conduct) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, reply) = reply(request.split(' ').nth(1).unwrap_or_default(), &body, conduct);
        let reply = reply.to_string();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", reply.len());
        stream.write_all((head + &reply).as_bytes())?;
    }
}

fn reply(path: &str, body: &Value, conduct: &Conduct) -> (&'static str, Value) {
    match path {
        "/v1/models" => ("200 OK", json!({"object": "list", "data": [{"id": "tiny"}]})),
        "/v1/preferences" => {
            let weight = json!({"minimum": -2.0, "maximum": 2.0});
            let dimension = |name| json!({"name": name, "description": null, "principle": name, "weight": weight});
            let dimensions = ["concise", "cheerful", "humor"].map(dimension);
            let beta = json!({"default": 1.0, "minimum": 0.0, "maximum": 4.0});
            let top_k = json!({"default": 10, "minimum": 1, "maximum": 100});
            let guards = json!({
                "plausibility": {"default": 0.0, "minimum": 0.0, "maximum": 1.0},
                "loop_guard": {"default": 0, "minimum": 0, "maximum": 64},
                "max_kl": {"default": 1000.0, "minimum": 0.0, "maximum": 1000.0},
                "guide_tokens": {"default": 0, "minimum": 0, "maximum": 1000},
            });
            let list = json!({"object": "list", "kind": "heads", "data": dimensions, "default": {}, "beta": beta, "top_k": top_k,
                "candidates": "base", "guards": guards});
            ("200 OK", list)
        }
        "/v1/chat/completions" => {
            if conduct.chats.fetch_add(1, Ordering::SeqCst) >= conduct.patience {
                return ("500 Oh", json!({"error": {"message": "the engine is out of breath"}}));
            }
            conduct.heard.lock().unwrap().push(body.clone());
            ("200 OK", completion(body))
        }
        "/v1/rewards" if conduct.rewards => {
            conduct.judged.fetch_add(1, Ordering::SeqCst);
            ("200 OK", rewards(body))
        }
        _ => ("404 Not Found", json!({"error": {"message": "no such route"}})),
    }
}

/// 20 words and a few more by prompt and seed; `concise` takes 5 away, `cheerful` makes one happy.
fn completion(body: &Value) -> Value {
    let beta = body["pad"]["beta"].as_f64().unwrap_or(1.0);
    let weight = |name: &str| beta * body["preference"][name].as_f64().unwrap_or(0.0);
    let messages = body["messages"].as_array().unwrap();
    let told = messages.iter().any(|m| m["content"].as_str().unwrap().contains("one short"));
    let prompt = messages.last().unwrap()["content"].as_str().unwrap().rsplit('\n').next().unwrap().len();
    let seed = body["seed"].as_u64().unwrap() as usize;
    let concise = weight("concise") + if told { 0.5 } else { 0.0 };
    let count = (20.0 - 5.0 * concise) as usize + prompt % 4 + seed % 3;
    let happy = (2.0 + weight("cheerful")).max(0.0) as usize;
    let words: Vec<String> = (0..count).map(|n| if n < happy { "happy".to_owned() } else { format!("w{n}") }).collect();
    json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": words.join(" ")}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 5, "completion_tokens": count,
            "pad": {"reward_lanes": 1, "steered_tokens": happy, "mean_kl": 0.1, "preference_source": "body"}
        }
    })
}

/// Two nats a word, and more concise the shorter.
fn rewards(body: &Value) -> Value {
    let answer = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    let tokens = answer.split(' ').count();
    let words = tokens as f64;
    let weighed = body["preference"].as_object().unwrap();
    let dimensions: serde_json::Map<String, Value> = weighed.keys().map(|name| (name.clone(), json!(-words))).collect();
    let usage = json!({
        "prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens, "prompt_tokens_details": {"cached_tokens": 0},
        "pad": {"reward_lanes": 1, "steered_tokens": 0, "mean_kl": 0.0, "preference_source": "body"}
    });
    json!({
        "object": "rewards", "model": "tiny", "tokens": tokens, "base_logprob": -2.0 * words, "dimensions": dimensions,
        "rewards": [], "usage": usage
    })
}
