//! The server that is measured, over HTTP.

use std::time::{Duration, Instant};

use pad_api::{DimensionInfo, Rewards};
use pad_client::{ChatBody, Client, ClientError, Connections, Message};
use serde_json::{Value, json};

use crate::error::EvalError;
use crate::guidance::Guidance;
use crate::preference::Preference;

/// After this, a request has failed.
const TIMEOUT: Duration = Duration::from_mins(10);

/// A server, its model and its dimensions.
#[derive(Debug)]
pub struct Server {
    client: Client,
    model: String,
    dimensions: Vec<DimensionInfo>,
    kind: String,
}

/// How an answer is sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// Most tokens.
    pub max_tokens: usize,
    /// Strength and candidates of the steering.
    pub guidance: Guidance,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// Whether the model ended it itself.
    pub complete: bool,
    /// Its tokens.
    pub tokens: u64,
    /// Tokens that were not the base model's first.
    pub steered_tokens: u64,
    /// Reward lanes that were run beside the base lane.
    pub reward_lanes: u64,
    /// From sending the request to having the answer, other requests beside it.
    pub seconds: f64,
}

impl Server {
    /// The server at an address, with or without `/v1`, and the maximum number of concurrent requests.
    ///
    /// # Errors
    ///
    /// When the address is none, or the server does not tell its model and dimensions.
    pub fn connect(address: &str, key: Option<&str>, connections: usize) -> Result<Self, EvalError> {
        let client = Client::new(address, key, Connections { most: connections, timeout: TIMEOUT })?;
        let model = client.models()?.into_iter().next().unwrap_or_default();
        let preferences = client.preferences()?;
        Ok(Self { client, model, dimensions: preferences.data, kind: preferences.kind })
    }

    /// The served model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The kind of its reward model.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The dimensions that it can steer.
    pub fn dimensions(&self) -> &[DimensionInfo] {
        &self.dimensions
    }

    /// Asks for an answer. No preference asks for the base model's own, whatever the server's default.
    ///
    /// # Errors
    ///
    /// When the server refuses or does not answer.
    pub fn answer(
        &self,
        messages: &[Message],
        preference: &Preference,
        sampling: &Sampling,
    ) -> Result<Reply, EvalError> {
        let body = ChatBody {
            model: (!self.model.is_empty()).then(|| self.model.clone()),
            messages: messages.to_vec(),
            max_tokens: Some(sampling.max_tokens),
            temperature: Some(sampling.temperature),
            seed: Some(sampling.seed),
            preference: Some(json!(preference)),
            pad: guidance(sampling.guidance),
            ..ChatBody::default()
        };
        let sent = Instant::now();
        let reply = self.client.chat(&body)?;
        let seconds = sent.elapsed().as_secs_f64();
        let answer = reply.answers.into_iter().next();
        let answer = answer.ok_or_else(|| self.unexpected("/chat/completions", "it has no choices"))?;
        let usage = reply.usage.unwrap_or_default();
        let pad = usage.pad.unwrap_or_default();
        Ok(Reply {
            text: answer.text,
            complete: answer.complete,
            tokens: usage.completion_tokens,
            steered_tokens: pad.steered_tokens,
            reward_lanes: pad.reward_lanes,
            seconds,
        })
    }

    /// Asks how probable an answer is under the base model, and how the dimensions of a preference reward it.
    ///
    /// # Errors
    ///
    /// When the server refuses, does not answer, or has no such route (status 404).
    pub fn rewards(
        &self,
        messages: &[Message],
        answer: &str,
        complete: bool,
        preference: &Preference,
    ) -> Result<Rewards, EvalError> {
        let mut messages = messages.to_vec();
        messages.push(Message::assistant(answer));
        let mut body = json!({"messages": messages, "preference": preference, "complete": complete});
        if !self.model.is_empty() {
            body["model"] = Value::from(self.model.as_str());
        }
        Ok(self.client.rewards(&body)?)
    }

    /// An error about a reply of this route.
    pub(crate) fn unexpected(&self, route: &str, problem: &str) -> EvalError {
        ClientError::Reply { url: self.client.url(route), problem: problem.to_owned() }.into()
    }
}

/// The options of a request; none where all is the server's default.
fn guidance(guidance: Guidance) -> Option<Value> {
    let mut options = serde_json::Map::new();
    options.extend(guidance.beta.map(|beta| ("beta".to_owned(), json!(beta.value()))));
    options.extend(guidance.top_k.map(|top_k| ("top_k".to_owned(), json!(top_k))));
    (!options.is_empty()).then_some(Value::Object(options))
}
