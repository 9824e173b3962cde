//! An OpenAI-compatible server under load.

use std::time::{Duration, Instant};

use pad_client::{ChatBody, Client, ClientError, Connections};

use super::answer::{Answer, Stopwatch};
use crate::BenchError;

/// A server, and how to ask it.
pub struct Server {
    address: String,
    key: Option<String>,
    timeout: Duration,
    base: String,
    model: String,
    turn: u64,
}

impl Server {
    /// The server at `address`, asked for `model` or the first that it lists. `turn` counts the servers with this address
    /// that come before this one.
    ///
    /// # Errors
    ///
    /// When the address is invalid, or the list of models cannot be fetched.
    pub fn new(
        address: &str,
        model: Option<&str>,
        key: Option<&str>,
        timeout: Duration,
        turn: u64,
    ) -> Result<Self, BenchError> {
        let client = Client::new(address, key, Connections { most: 1, timeout })?;
        let model = if let Some(model) = model {
            model.to_owned()
        } else {
            let url = client.url("/models");
            client.models()?.into_iter().next().ok_or(BenchError::NoModel { url })?
        };
        let (key, base) = (key.map(str::to_owned), client.base().to_owned());
        Ok(Self { address: address.to_owned(), key, timeout, base, model, turn })
    }

    /// The root of its API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The model that it is asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How many servers with this address come before.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// A client with new connections, for this many concurrent requests.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn client(&self, connections: usize) -> Result<Client, ClientError> {
        let connections = Connections { most: connections, timeout: self.timeout };
        Client::new(&self.address, self.key.as_deref(), connections)
    }
}

/// Asks for an answer and reads it to its end; `first_words` is called when they come.
///
/// # Errors
///
/// When the request is refused, or the stream is not whole within the timeout.
pub fn ask(client: &Client, body: &ChatBody, first_words: impl FnOnce()) -> Result<Answer, ClientError> {
    let mut watch = Stopwatch::new(Instant::now());
    let mut stream = client.chat_stream(body)?;
    let mut first_words = Some(first_words);
    while let Some((event, arrived)) = stream.next_event()? {
        watch.record(event, arrived);
        if let Some(call) = first_words.take_if(|_| watch.has_words()) {
            call();
        }
    }
    watch.finish()
}
