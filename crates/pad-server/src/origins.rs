//! Cross-origin requests: which web pages may use the server from a browser.

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// Headers of answers that pages may read.
const EXPOSED: [&str; 8] = [
    "x-request-id",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

/// Origins such as `https://chat.example.org`. Without any, browsers keep pages of other origins away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// These origins; `*` is any. None if one of them is not an origin: a scheme, a host and optionally a port.
    pub fn parse<'a>(origins: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let origin = |text: &'a str| {
            let (scheme, host) = text.split_once("://").unwrap_or(("", ""));
            let whole = !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*', ' ']);
            if whole || text == "*" { HeaderValue::from_str(text).ok() } else { None }
        };
        origins.into_iter().map(origin).collect::<Option<_>>().map(Self)
    }

    /// Whether pages of this origin may use the server.
    pub(crate) fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed == "*" || allowed == origin)
    }

    /// The layer that answers browsers; none where there is nothing to allow.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let allowed = if self.0.iter().any(|origin| origin == "*") {
            AllowOrigin::any()
        } else {
            AllowOrigin::list(self.0.iter().cloned())
        };
        let layer = CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            // OpenAI's SDKs send additional headers in browsers, and new ones with every version.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED.map(HeaderName::from_static))
            .vary([header::ORIGIN, header::ACCESS_CONTROL_REQUEST_HEADERS])
            .max_age(std::time::Duration::from_hours(1));
        Some(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        for good in ["*", "https://chat.example.org", "http://localhost:3000", "app://pad"] {
            assert!(Origins::parse([good]).is_some(), "{good}");
        }
        for bad in ["", "chat.example.org", "https://", "https://a.org/", "https://*.org", "https://a b", "://x"] {
            assert!(Origins::parse([bad]).is_none(), "{bad}");
        }
    }
}
