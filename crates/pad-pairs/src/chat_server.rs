//! The model, as a server of OpenAI's chat completions.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;

use crate::{Message, PairsError};

/// A server that answers.
#[derive(Debug)]
pub struct ChatServer {
    agent: Agent,
    url: String,
    key: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ask {
    /// The conversation.
    pub messages: Vec<Message>,
    /// How many answers.
    pub n: usize,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus.
    pub top_p: f64,
    /// Makes the answers repeatable.
    pub seed: u64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its words, without white space around them.
    pub text: String,
    /// Whether the model ended it; otherwise it was cut at the limit.
    pub complete: bool,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Refused,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
}

impl ChatServer {
    /// The server at an address, with or without `/v1` at its end; each request ends after the timeout.
    pub fn new(address: &str, key: Option<&str>, connections: usize, timeout: Duration) -> Self {
        let base = address.trim_end_matches('/').trim_end_matches("/v1");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_global(Some(timeout));
        Self { agent: config.build().into(), url: format!("{base}/v1/chat/completions"), key: key.map(Into::into) }
    }

    /// Asks and waits for all answers.
    ///
    /// # Errors
    ///
    /// [`PairsError::Server`] where the request is refused or the answer is none.
    pub fn ask(&self, ask: &Ask) -> Result<Vec<Answer>, PairsError> {
        let failed = |problem: String| PairsError::Server { url: self.url.clone(), problem };
        let body = serde_json::to_string(ask).map_err(|error| failed(error.to_string()))?;
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            let message = serde_json::from_str::<Refusal>(&text).map_or(text, |refusal| refusal.error.message);
            return Err(failed(format!("status {status}: {message}")));
        }
        let completion: Completion =
            serde_json::from_str(&text).map_err(|error| failed(format!("no completion: {error}")))?;
        Ok(completion.choices.into_iter().map(Answer::of).collect())
    }
}

impl Answer {
    fn of(choice: Choice) -> Self {
        let text = choice.message.content.unwrap_or_default().trim().to_owned();
        Self { text, complete: choice.finish_reason.as_deref() == Some("stop") }
    }
}
