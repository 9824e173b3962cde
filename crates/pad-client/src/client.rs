//! Requests and replies.

use std::time::Duration;

use pad_api::{PreferenceList, Rewards, TokenTrace};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

use crate::chat_body::StreamingBody;
use crate::chat_reply::{TracedReply, WireReply};
use crate::{ChatBody, ChatReply, ChatStream, ClientError};

/// Most characters of a server's text in an error.
const EXCERPT: usize = 300;

/// The HTTP status of a reply that was not refused.
const OK: u16 = 200;

/// A client of one server. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    key: Option<String>,
}

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Number of concurrent requests, and of connections that are kept.
    pub most: usize,
    /// After this time a request has failed.
    pub timeout: Duration,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<ModelName>,
}

#[derive(Deserialize)]
struct ModelName {
    id: String,
}

impl Client {
    /// A client of the server at `address`: an API's root such as `http://127.0.0.1:8080/v1`, where `/v1` may be left
    /// out. `key` is sent as bearer token. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::Address`] when the address is not of HTTP.
    pub fn new(address: &str, key: Option<&str>, connections: Connections) -> Result<Self, ClientError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            // A compressed stream is delayed.
            .accept_encoding("identity")
            .max_idle_connections(connections.most)
            .max_idle_connections_per_host(connections.most)
            .timeout_global(Some(connections.timeout));
        Ok(Self { agent: config.build().into(), base: api_root(address)?, key: key.map(str::to_owned) })
    }

    /// The root of the API, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks PAD Server whether it accepts requests.
    ///
    /// # Errors
    ///
    /// When the server does not reply; [`ClientError::Status`] when it is draining or its engine has stopped.
    pub fn ready(&self) -> Result<(), ClientError> {
        let root = self.base.rsplit_once('/').map_or(self.base.as_str(), |(root, _version)| root);
        self.send(&format!("{root}/ready"), None::<&Value>).map(drop)
    }

    /// The names of the served models.
    ///
    /// # Errors
    ///
    /// When the server does not reply, refuses, or replies something else.
    pub fn models(&self) -> Result<Vec<String>, ClientError> {
        let models: Models = self.get("/models")?;
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }

    /// The dimensions that PAD Server can steer.
    ///
    /// # Errors
    ///
    /// As [`Client::models`].
    pub fn preferences(&self) -> Result<PreferenceList, ClientError> {
        self.get("/preferences")
    }

    /// Asks for whole answers.
    ///
    /// # Errors
    ///
    /// As [`Client::models`].
    pub fn chat(&self, body: &ChatBody) -> Result<ChatReply, ClientError> {
        self.post::<WireReply>("/chat/completions", body).map(Into::into)
    }

    /// Asks PAD Server for whole answers, whose `pad.trace` the body asks for, and returns only the traces: why each token of each
    /// choice was chosen. A choice without a trace has an empty one.
    ///
    /// # Errors
    ///
    /// As [`Client::models`].
    pub fn chat_traces(&self, body: &ChatBody) -> Result<Vec<Vec<TokenTrace>>, ClientError> {
        self.post::<TracedReply>("/chat/completions", body).map(Into::into)
    }

    /// Asks for an answer as a stream of events.
    ///
    /// # Errors
    ///
    /// When the server does not reply, or refuses.
    pub fn chat_stream(&self, body: &ChatBody) -> Result<ChatStream, ClientError> {
        let response = self.send(&self.url("/chat/completions"), Some(&StreamingBody::of(body)))?;
        Ok(ChatStream::new(Box::new(response.into_body().into_reader())))
    }

    /// Asks PAD Server how a given answer is rewarded; `body` is a `RewardsRequest` of `pad-api`.
    ///
    /// # Errors
    ///
    /// As [`Client::models`].
    pub fn rewards(&self, body: &Value) -> Result<Rewards, ClientError> {
        self.post("/rewards", body)
    }

    /// The URL of a route.
    pub fn url(&self, route: &str) -> String {
        format!("{}{route}", self.base)
    }

    fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, ClientError> {
        self.read(route, self.send(&self.url(route), None::<&Value>)?)
    }

    fn post<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.read(route, self.send(&self.url(route), Some(body))?)
    }

    /// Sends a request: GET without a body, POST with one.
    fn send(&self, url: &str, body: Option<&impl Serialize>) -> Result<Response<Body>, ClientError> {
        let failed = |problem: String| ClientError::Connection { url: url.to_owned(), problem };
        let mut request = Request::builder().method(if body.is_some() { "POST" } else { "GET" }).uri(url);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = match body {
            Some(body) => {
                let text = serde_json::to_string(body).map_err(|error| failed(error.to_string()))?;
                let request = request.header("content-type", "application/json").body(text);
                self.agent.run(request.map_err(|error| failed(error.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| failed(error.to_string()))?),
        };
        let response = response.map_err(|error| failed(error.to_string()))?;
        let status = response.status().as_u16();
        if status == OK {
            return Ok(response);
        }
        let text = response.into_body().read_to_string().unwrap_or_default();
        Err(ClientError::Status { url: url.to_owned(), status, message: message(&text) })
    }

    fn read<T: DeserializeOwned>(&self, route: &str, response: Response<Body>) -> Result<T, ClientError> {
        let failed = |problem: String| ClientError::Connection { url: self.url(route), problem };
        let text = response.into_body().read_to_string().map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| ClientError::Reply {
            url: self.url(route),
            problem: format!("{error}: {}", excerpt(&text)),
        })
    }
}

/// The root of an API: an address that does not end in a version, such as `v1`, gets one.
fn api_root(address: &str) -> Result<String, ClientError> {
    if !(address.starts_with("http://") || address.starts_with("https://")) {
        return Err(ClientError::Address { address: address.to_owned() });
    }
    let address = address.trim_end_matches('/');
    let is_version = |segment: &str| {
        let digits = segment.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let version = address.rsplit('/').next().is_some_and(is_version);
    Ok(if version { address.to_owned() } else { format!("{address}/v1") })
}

/// The message of an error's body, or the body's beginning.
fn message(text: &str) -> String {
    let body = serde_json::from_str::<Value>(text).ok();
    let message = body.as_ref().and_then(|body| body["error"]["message"].as_str());
    excerpt(message.unwrap_or(text))
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_a_version_if_it_has_none() {
        for (given, expected) in [
            ("http://127.0.0.1:80", "http://127.0.0.1:80/v1"),
            ("http://127.0.0.1:80/v1/", "http://127.0.0.1:80/v1"),
            ("https://host/api/v3", "https://host/api/v3"),
            ("https://host/pad", "https://host/pad/v1"),
        ] {
            assert_eq!(api_root(given).unwrap(), expected);
        }
        let error = api_root("localhost:8080").unwrap_err().to_string();
        assert_eq!(error, "the server's address is `localhost:8080`, but must begin with http:// or https://");
    }

    #[test]
    fn an_error_shows_the_servers_message_or_the_beginning_of_its_text() {
        assert_eq!(message(r#"{"error": {"message": "no room"}}"#), "no room");
        assert_eq!(message(&"x".repeat(1000)).len(), EXCERPT);
    }
}
