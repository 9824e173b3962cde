//! `[traces]`: where the spans of requests are sent.

use std::fmt;

use serde::Deserialize;
use ureq::http::Uri;

use super::error::Bad;

/// Where a receiver takes spans, below its address.
const PATH: &str = "/v1/traces";

/// The traces.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesSettings {
    /// The receiver's address; empty: nothing is traced.
    pub endpoint: String,
    /// What the server is called in traces.
    pub service: String,
    /// The share of requests that are traced, of those that do not come with a trace.
    pub sample: f64,
}

impl TracesSettings {
    /// Where spans are sent, if anywhere.
    pub fn url(&self) -> Option<String> {
        let endpoint = self.endpoint.trim_end_matches('/');
        (!endpoint.is_empty()).then(|| format!("{endpoint}{PATH}"))
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        let plain = |uri: &Uri| {
            let web = matches!(uri.scheme_str(), Some("http" | "https"));
            web && uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none()
        };
        let sound = self.endpoint.is_empty() || self.endpoint.parse().is_ok_and(|uri| plain(&uri));
        // The rest may hold a password.
        let scheme = self.endpoint.split(':').next().unwrap_or_default();
        let allowed = "empty, or an address such as `http://localhost:4318`";
        Bad::unless(sound, "traces.endpoint", scheme, allowed)?;
        Bad::unless(!self.service.trim().is_empty(), "traces.service", &self.service, "a name")?;
        Bad::unless((0.0..=1.0).contains(&self.sample), "traces.sample", self.sample, "0 to 1")
    }
}

impl fmt::Debug for TracesSettings {
    /// Without the address, which may hold a password: settings may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracesSettings")
            .field("service", &self.service)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}
