//! `[server]`: where it listens and how much a request may be.

use std::time::Duration;

use serde::Deserialize;

use super::error::Bad;
use super::size::ByteSize;

/// Listening and limits.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address to listen on.
    pub host: String,
    /// TCP port; 0 takes a free one.
    pub port: u16,
    /// Keys that are let in; none: everybody is.
    pub api_keys: Vec<String>,
    /// Most requests that one key may run at once; 0: no limit.
    pub max_requests_per_key: usize,
    /// Largest body of a request.
    pub body_limit: ByteSize,
    /// Most choices of one request.
    pub max_choices: usize,
    /// Silence after which a stream gets a comment.
    pub keep_alive_seconds: u64,
    /// How long running requests may take to finish once the server is told to stop.
    pub drain_seconds: u64,
}

impl ServerSettings {
    /// `keep_alive_seconds` as a duration.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds)
    }

    /// `drain_seconds` as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        Bad::unless(!self.host.trim().is_empty(), "server.host", &self.host, "a host name or an address")?;
        let keys = self.api_keys.iter().all(|key| !key.trim().is_empty());
        Bad::unless(keys, "server.api_keys", "a list with an empty key", "keys that are not empty")?;
        Bad::unless(self.body_limit.0 >= 1024, "server.body_limit", self.body_limit.0, "at least 1 KiB")?;
        Bad::unless(self.max_choices >= 1, "server.max_choices", self.max_choices, "at least 1")?;
        Bad::unless(self.keep_alive_seconds >= 1, "server.keep_alive_seconds", self.keep_alive_seconds, "at least 1")
    }
}

impl std::fmt::Debug for ServerSettings {
    /// Without the keys: settings may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("api_keys", &format_args!("{} keys", self.api_keys.len()))
            .field("max_requests_per_key", &self.max_requests_per_key)
            .field("body_limit", &self.body_limit)
            .field("max_choices", &self.max_choices)
            .field("keep_alive_seconds", &self.keep_alive_seconds)
            .field("drain_seconds", &self.drain_seconds)
            .finish()
    }
}
