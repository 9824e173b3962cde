//! `[server]`: address, keys, and size and time limits of requests.

use std::net::IpAddr;
use std::time::Duration;

use pad_server::{AllowedHosts, Origins};
use serde::Deserialize;

use super::error::Bad;
use super::size::ByteSize;
use super::tls::TlsSettings;

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
    /// File with further keys, one a line; empty: none.
    pub api_keys_file: String,
    /// Most requests that one key may run at once; 0: no limit.
    pub max_requests_per_key: usize,
    /// Most tokens that one key may use in a minute; 0: no limit.
    pub tokens_per_minute_per_key: u32,
    /// Origins of web pages that may use the server.
    pub cors_origins: Vec<String>,
    /// Host names that requests may use; if there are any, or if the server is open and listens on a loopback address, no others.
    pub allowed_hosts: Vec<String>,
    /// Whether there is a page at `/`.
    pub page: bool,
    /// Whether `/metrics` needs no key.
    pub open_metrics: bool,
    /// Certificate and key.
    pub tls: TlsSettings,
    /// Most connections at once; 0: as many as the limit of open files allows.
    pub max_connections: usize,
    /// Largest body of a request.
    pub body_limit: ByteSize,
    /// How long a body may take to come.
    pub body_seconds: u64,
    /// Largest head of a request.
    pub head_limit: ByteSize,
    /// How long a head may take to come.
    pub head_seconds: u64,
    /// How long a client may take nothing of its answer.
    pub write_seconds: u64,
    /// How long an answer may take; 0: no limit.
    pub answer_seconds: u64,
    /// Most choices of one request.
    pub max_choices: usize,
    /// Refuse an answer that is longer than what fits.
    pub strict_max_tokens: bool,
    /// Silence after which a stream gets a comment.
    pub keep_alive_seconds: u64,
    /// How long requests are still taken after the signal to stop.
    pub lame_duck_seconds: u64,
    /// How long running requests may take to finish after the signal to stop.
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

    /// Whether everybody is let in.
    pub fn open(&self) -> bool {
        self.api_keys.is_empty() && self.api_keys_file.is_empty()
    }

    /// `answer_seconds` as a duration, if there is a limit.
    pub fn answer(&self) -> Option<Duration> {
        (self.answer_seconds > 0).then(|| Duration::from_secs(self.answer_seconds))
    }

    /// `cors_origins` as the server takes them.
    pub fn origins(&self) -> Option<Origins> {
        Origins::parse(self.cors_origins.iter().map(String::as_str))
    }

    /// The names that a request's `Host` may have where the server listens on `address`.
    pub fn hosts(&self, address: IpAddr, keys: bool) -> AllowedHosts {
        let closed = keys || !address.is_loopback();
        if closed && self.allowed_hosts.is_empty() {
            return AllowedHosts::any();
        }
        let own = [self.host.clone(), address.to_string()];
        // A host that listens and is no name is an address with a zone, which no request names.
        let own = own.iter().map(String::as_str).filter(|name| AllowedHosts::loopback_and([*name]).is_some());
        let names = self.allowed_hosts.iter().map(String::as_str);
        AllowedHosts::loopback_and(names.chain(own)).unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        Bad::unless(!self.host.trim().is_empty(), "server.host", &self.host, "a host name or an address")?;
        let keys = self.api_keys.iter().all(|key| !key.trim().is_empty());
        Bad::unless(keys, "server.api_keys", "a list with an empty key", "keys that are not empty")?;
        let origins = "origins such as `https://chat.example.org`, or `*`";
        Bad::unless(self.origins().is_some(), "server.cors_origins", self.cors_origins.join(", "), origins)?;
        let hosts = AllowedHosts::loopback_and(self.allowed_hosts.iter().map(String::as_str));
        let allowed = "host names and addresses without a port, or `*`";
        Bad::unless(hosts.is_some(), "server.allowed_hosts", self.allowed_hosts.join(", "), allowed)?;
        self.tls.check()?;
        Bad::unless(self.body_seconds >= 1, "server.body_seconds", self.body_seconds, "at least 1")?;
        Bad::unless(self.head_seconds >= 1, "server.head_seconds", self.head_seconds, "at least 1")?;
        Bad::unless(self.write_seconds >= 1, "server.write_seconds", self.write_seconds, "at least 1")?;
        Bad::unless(self.head_limit.0 >= 8192, "server.head_limit", self.head_limit.0, "at least 8 KiB")?;
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
            .field("api_keys_file", &self.api_keys_file)
            .field("max_requests_per_key", &self.max_requests_per_key)
            .field("tokens_per_minute_per_key", &self.tokens_per_minute_per_key)
            .field("cors_origins", &self.cors_origins)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("page", &self.page)
            .field("open_metrics", &self.open_metrics)
            .field("tls", &self.tls)
            .field("max_connections", &self.max_connections)
            .field("body_limit", &self.body_limit)
            .field("body_seconds", &self.body_seconds)
            .field("head_limit", &self.head_limit)
            .field("head_seconds", &self.head_seconds)
            .field("write_seconds", &self.write_seconds)
            .field("answer_seconds", &self.answer_seconds)
            .field("max_choices", &self.max_choices)
            .field("strict_max_tokens", &self.strict_max_tokens)
            .field("keep_alive_seconds", &self.keep_alive_seconds)
            .field("lame_duck_seconds", &self.lame_duck_seconds)
            .field("drain_seconds", &self.drain_seconds)
            .finish()
    }
}
