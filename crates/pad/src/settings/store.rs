//! `[store]` and `[profiles]`: what outlives a request.

use std::fmt;
use std::time::Duration;

use pad_server::ProfileRules;
use pad_store::{Location, StoreLimits};
use serde::Deserialize;

use super::error::Bad;
use super::size::ByteSize;

/// Keeps nothing.
const NONE: &str = "none";

/// Where profiles and responses are kept, and how many.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The database; empty: a file in the data folder.
    pub url: String,
    /// Connections to PostgreSQL.
    pub connections: u32,
    /// How long an operation may take.
    pub timeout_seconds: u64,
    /// How long a profile is served from memory.
    pub cache_seconds: u64,
    /// Profiles in memory.
    pub cached_profiles: u64,
    /// How long responses are kept.
    pub response_days: u64,
    /// Most responses that are kept; 0: none.
    pub max_responses: u64,
    /// Bytes that they may take together.
    pub responses_size: ByteSize,
}

/// How profiles apply, and what they are learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSettings {
    /// Whether the profile that is named as a request's `user` applies to it.
    pub bind_user: bool,
    /// Chosen answers of a profile that are put into the prompt.
    pub in_context: usize,
    /// Whether what others prefer is where a profile begins.
    pub population_prior: bool,
}

impl From<ProfileSettings> for ProfileRules {
    fn from(ProfileSettings { bind_user, in_context, population_prior }: ProfileSettings) -> Self {
        Self { bind_user, in_context, population_prior }
    }
}

impl StoreSettings {
    /// Whether anything is kept.
    pub fn on(&self) -> bool {
        self.url != NONE
    }

    /// `response_days` as a duration.
    pub fn responses_kept(&self) -> Duration {
        Duration::from_hours(24 * self.response_days)
    }

    /// The limits as the store takes them.
    pub fn limits(&self) -> StoreLimits {
        StoreLimits {
            patience: Duration::from_secs(self.timeout_seconds),
            connections: self.connections,
            cached_for: Duration::from_secs(self.cache_seconds),
            cached: self.cached_profiles,
            documents: self.max_responses,
            document_bytes: self.responses_size.0,
        }
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        let named = self.url.is_empty() || !self.on() || Location::parse(&self.url).is_ok();
        let allowed = "`memory`, `none`, `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`";
        // The rest may hold a password.
        let scheme = self.url.split(':').next().unwrap_or_default();
        Bad::unless(named, "store.url", scheme, allowed)?;
        let connections = (1..=1000).contains(&self.connections);
        Bad::unless(connections, "store.connections", self.connections, "1 to 1000")?;
        let timeout = (1..=600).contains(&self.timeout_seconds);
        Bad::unless(timeout, "store.timeout_seconds", self.timeout_seconds, "1 to 600")?;
        Bad::unless(self.cache_seconds <= 3600, "store.cache_seconds", self.cache_seconds, "at most 3600")?;
        let days = (1..=36_500).contains(&self.response_days);
        Bad::unless(days, "store.response_days", self.response_days, "1 to 36500")
    }
}

impl fmt::Debug for StoreSettings {
    /// Without the address, which may hold a password: settings may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("connections", &self.connections)
            .field("timeout_seconds", &self.timeout_seconds)
            .field("cache_seconds", &self.cache_seconds)
            .field("cached_profiles", &self.cached_profiles)
            .field("response_days", &self.response_days)
            .field("max_responses", &self.max_responses)
            .field("responses_size", &self.responses_size)
            .finish_non_exhaustive()
    }
}
