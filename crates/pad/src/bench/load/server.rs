//! An OpenAI-compatible server under load.

use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

use super::answer::{Answer, Listener};
use super::sse::Events;

/// Bytes read at once.
const PIECE: usize = 16 << 10;

/// Characters of an error's body that are shown.
const EXCERPT: usize = 300;

/// A server, and how to ask it.
pub struct Server {
    address: String,
    model: String,
    key: Option<String>,
    timeout: Duration,
    turn: u64,
}

impl Server {
    /// The server at `address` (without a slash at the end), asked for `model` or the first that it lists. `turn` counts the servers with this address that
    /// come before this one.
    ///
    /// # Errors
    ///
    /// When the address is none, or the list of models cannot be had.
    pub fn new(
        address: &str,
        model: Option<&str>,
        key: Option<&str>,
        timeout: Duration,
        turn: u64,
    ) -> anyhow::Result<Self> {
        let http = address.starts_with("http://") || address.starts_with("https://");
        ensure!(http, "--against is `{address}`, but must begin with http:// or https://");
        let mut server =
            Self { address: address.to_owned(), model: String::new(), key: key.map(Into::into), timeout, turn };
        server.model = match model {
            Some(model) => model.to_owned(),
            None => server.first_model().with_context(|| format!("{}/models", server.address))?,
        };
        Ok(server)
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The model that it is asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How many servers with this address come before.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// Connections for so many requests at once; each ends after the timeout.
    pub fn agent(&self, connections: usize) -> Agent {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            // A compressed stream is a stream that waits.
            .accept_encoding("identity")
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_global(Some(self.timeout));
        config.build().into()
    }

    /// Ask for an answer and listen to its end; `first_words` is called when they come.
    ///
    /// # Errors
    ///
    /// When the request is refused, or the stream is not whole within the timeout.
    pub fn ask(&self, agent: &Agent, body: String, first_words: impl FnOnce()) -> anyhow::Result<Answer> {
        let request =
            self.request("POST", "/chat/completions").header("content-type", "application/json").body(body)?;
        let mut listener = Listener::new(Instant::now());
        let mut stream = accepted(agent.run(request)?)?.into_body().into_reader();
        let mut events = Events::default();
        let mut first_words = Some(first_words);
        let mut piece = vec![0; PIECE];
        loop {
            let count = stream.read(&mut piece)?;
            if count == 0 {
                return listener.finish();
            }
            let now = Instant::now();
            for data in events.push(&piece[..count]) {
                listener.hear(&data, now)?;
            }
            if let Some(call) = first_words.take_if(|_| listener.has_words()) {
                call();
            }
        }
    }

    fn first_model(&self) -> anyhow::Result<String> {
        let request = self.request("GET", "/models").body(())?;
        let text = accepted(self.agent(1).run(request)?)?.into_body().read_to_string()?;
        let list: Value = serde_json::from_str(&text).context("the list of models is not JSON")?;
        let first = list["data"][0]["id"].as_str();
        first.map(Into::into).context("the list of models has none; --model says which one to ask for")
    }

    fn request(&self, method: &str, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }
}

/// A response that is what was asked for.
fn accepted(response: Response<Body>) -> anyhow::Result<Response<Body>> {
    let status = response.status();
    if status == 200 {
        return Ok(response);
    }
    let text = response.into_body().read_to_string().unwrap_or_default();
    let message = serde_json::from_str::<Value>(&text).ok();
    let message = message.as_ref().and_then(|body| body["error"]["message"].as_str()).unwrap_or(&text);
    bail!("status {status}: {}", message.chars().take(EXCERPT).collect::<String>())
}
