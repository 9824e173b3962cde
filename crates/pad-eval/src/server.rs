//! The server that is measured, over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

use crate::error::EvalError;
use crate::preference::Preference;
use crate::prompt::Message;

/// After this, a request has failed.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Characters of an error's body that are shown.
const EXCERPT: usize = 300;

/// A server, and what it says of itself.
#[derive(Debug)]
pub struct Server {
    agent: Agent,
    address: String,
    key: Option<String>,
    model: String,
    dimensions: Vec<DimensionInfo>,
    kind: String,
}

/// A dimension that the server can steer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DimensionInfo {
    /// Its name in preferences.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The words that a prompted reward model reads.
    pub principle: Option<String>,
}

/// How an answer is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// Where the draws begin.
    pub seed: u64,
    /// Tokens at most.
    pub max_tokens: usize,
    /// Guidance strength; without, the server's default.
    pub beta: Option<f64>,
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
}

/// What `POST /v1/rewards` says of an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Rewards {
    /// The answer's tokens.
    pub tokens: u64,
    /// Their log-probability under the base model, in nats: a sum.
    pub base_logprob: f64,
    /// The reward of each dimension: a sum over the tokens.
    #[serde(default)]
    pub dimensions: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Listed<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct PreferenceList {
    kind: Option<String>,
    data: Vec<DimensionInfo>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Usage,
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
struct Usage {
    completion_tokens: u64,
    #[serde(default)]
    pad: PadUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PadUsage {
    steered_tokens: u64,
}

impl Server {
    /// The server at an address, with or without `/v1`; so many requests may run at once.
    ///
    /// # Errors
    ///
    /// When the address is none, or the server does not say which model and dimensions it has.
    pub fn connect(address: &str, key: Option<&str>, connections: usize) -> Result<Self, EvalError> {
        if !(address.starts_with("http://") || address.starts_with("https://")) {
            let problem = "an address begins with http:// or https://".to_owned();
            return Err(EvalError::Value { what: "the server", given: address.to_owned(), problem });
        }
        let address = address.trim_end_matches('/');
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_global(Some(TIMEOUT));
        let mut server = Self {
            agent: config.build().into(),
            address: address.strip_suffix("/v1").unwrap_or(address).to_owned(),
            key: key.map(str::to_owned),
            model: String::new(),
            dimensions: Vec::new(),
            kind: String::new(),
        };
        let models: Listed<Named> = server.get("/v1/models")?;
        server.model = models.data.into_iter().next().map(|model| model.id).unwrap_or_default();
        let preferences: PreferenceList = server.get("/v1/preferences")?;
        server.kind = preferences.kind.unwrap_or_default();
        server.dimensions = preferences.data;
        Ok(server)
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
        let mut body = json!({
            "messages": messages, "preference": preference, "temperature": sampling.temperature, "seed": sampling.seed,
            "max_tokens": sampling.max_tokens,
        });
        if let Some(beta) = sampling.beta {
            body["pad"] = json!({"beta": beta});
        }
        let path = "/v1/chat/completions";
        let completion: Completion = self.post(path, &self.asking(body))?;
        let choice = completion.choices.into_iter().next();
        let choice = choice.ok_or_else(|| self.failed(path, None, "the answer has no choice".to_owned()))?;
        Ok(Reply {
            text: choice.message.content.unwrap_or_default(),
            complete: choice.finish_reason.as_deref() == Some("stop"),
            tokens: completion.usage.completion_tokens,
            steered_tokens: completion.usage.pad.steered_tokens,
        })
    }

    /// Asks how probable an answer is under the base model, and what the dimensions of a preference say of it.
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
        messages.push(Message::new("assistant", answer));
        let body = json!({"messages": messages, "preference": preference, "complete": complete});
        self.post("/v1/rewards", &self.asking(body))
    }

    fn asking(&self, mut body: Value) -> Value {
        if !self.model.is_empty() {
            body["model"] = json!(self.model);
        }
        body
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, EvalError> {
        self.send("GET", path, None)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, EvalError> {
        self.send("POST", path, Some(body))
    }

    fn send<T: DeserializeOwned>(&self, method: &str, path: &str, body: Option<&Value>) -> Result<T, EvalError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let failed = |problem: String| self.failed(path, None, problem);
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(|error| failed(error.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| failed(error.to_string()))?),
        };
        let response = response.map_err(|error| failed(error.to_string()))?;
        let status = response.status().as_u16();
        let text = response.into_body().read_to_string().map_err(|error| failed(error.to_string()))?;
        if status != 200 {
            return Err(self.failed(path, Some(status), format!("status {status}: {}", message(&text))));
        }
        serde_json::from_str(&text).map_err(|error| {
            let problem = format!("the answer is not as expected: {error}: {}", excerpt(&text));
            self.failed(path, Some(status), problem)
        })
    }

    fn failed(&self, path: &str, status: Option<u16>, problem: String) -> EvalError {
        EvalError::Server { url: format!("{}{path}", self.address), problem, status }
    }
}

/// The message of an error's body, or its beginning.
fn message(text: &str) -> String {
    let body = serde_json::from_str::<Value>(text).ok();
    let message = body.as_ref().and_then(|body| body["error"]["message"].as_str());
    excerpt(message.unwrap_or(text))
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}
