//! API keys: kept as digests, compared in constant time, each with its own limits.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use pad_api::Preference;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;
use crate::rate::Bucket;

/// Begins a key that is given by its digest.
const DIGEST: &str = "sha256:";

/// One key: its SHA-256, how much it may run at once, and how many tokens it may use in a minute.
#[derive(Clone)]
pub struct ApiKey {
    digest: [u8; 32],
    slots: Option<Slots>,
    tokens: Option<Arc<Bucket>>,
    /// What its requests are steered towards where they say nothing.
    preference: Option<Arc<Preference>>,
}

#[derive(Clone)]
struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
}

/// What a key has given to one request: a place, which is free again when this is dropped, and the right to use tokens.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    _place: Option<OwnedSemaphorePermit>,
    tokens: Option<Arc<Bucket>>,
}

impl Grant {
    /// The request has used tokens.
    pub(crate) fn spend(&self, tokens: u64) {
        if let Some(bucket) = &self.tokens {
            bucket.spend(tokens, Instant::now());
        }
    }
}

impl ApiKey {
    /// A key without limits of its own. The secret is not kept.
    pub fn new(secret: &str) -> Self {
        Self { digest: Sha256::digest(secret.as_bytes()).into(), slots: None, tokens: None, preference: None }
    }

    /// A key as settings give it: a secret, or `sha256:` and the 64 hexadecimal digits of one's digest. None where those are
    /// not such digits.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(hex) = text.strip_prefix(DIGEST) else { return Some(Self::new(text)) };
        let mut digest = [0; 32];
        if hex.len() != 2 * digest.len() || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self { digest, slots: None, tokens: None, preference: None })
    }

    /// The SHA-256 of the secret.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The same key, with at most `limit` generations at once.
    #[must_use]
    pub fn limited(self, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { slots: Some(Slots { free: Arc::new(Semaphore::new(limit)), limit }), ..self }
    }

    /// The same key, with at most so many tokens a minute, prompts and answers together.
    #[must_use]
    pub fn rated(self, tokens_per_minute: u32) -> Self {
        Self { tokens: Some(Arc::new(Bucket::new(tokens_per_minute, Instant::now()))), ..self }
    }

    /// The same key, whose requests are steered towards this where they say nothing: a text as in the header `x-pad-preference`.
    ///
    /// # Errors
    /// Where the text is no preference.
    pub fn preferring(self, preference: &str) -> Result<Self, String> {
        Ok(Self { preference: Some(Arc::new(Preference::from_text(preference)?)), ..self })
    }

    /// What its requests are steered towards where they say nothing.
    pub(crate) fn preference(&self) -> Option<&Preference> {
        self.preference.as_deref()
    }

    /// A place for one generation, and tokens for it.
    ///
    /// # Errors
    /// 429 where all of the key's places are taken, or its tokens are used up.
    pub(crate) fn acquire(&self) -> Result<Grant, ApiError> {
        if let Some(bucket) = &self.tokens {
            let wait = bucket.wait(Instant::now());
            if !wait.is_zero() {
                let limit = bucket.per_minute();
                let message = format!("this API key has used its {limit} tokens a minute");
                return Err(ApiError::too_many_requests("rate_limit_exceeded", message).retry_after(wait));
            }
        }
        let place = match &self.slots {
            None => None,
            Some(slots) => Some(Arc::clone(&slots.free).try_acquire_owned().map_err(|_| {
                let message = format!("this API key runs {} requests already, which is its limit", slots.limit);
                ApiError::too_many_requests("rate_limit_exceeded", message)
            })?),
        };
        Ok(Grant { _place: place, tokens: self.tokens.clone() })
    }

    /// Tell a client how much of its limits is left. Requests are those at once: one more may come when one ends, and when that
    /// is nobody knows.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let now = Instant::now();
        let mut set = |what: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(what), value);
            }
        };
        if let Some(Slots { free, limit }) = &self.slots {
            let remaining = free.available_permits();
            let reset = Duration::from_secs(u64::from(remaining == 0));
            set("x-ratelimit-limit-requests", limit.to_string());
            set("x-ratelimit-remaining-requests", remaining.to_string());
            set("x-ratelimit-reset-requests", span(reset));
        }
        if let Some(bucket) = &self.tokens {
            set("x-ratelimit-limit-tokens", bucket.per_minute().to_string());
            set("x-ratelimit-remaining-tokens", bucket.remaining(now).to_string());
            set("x-ratelimit-reset-tokens", span(bucket.until_full(now)));
        }
    }
}

/// A time as OpenAI writes it: `1.5s`.
fn span(time: Duration) -> String {
    format!("{}s", (time.as_secs_f64() * 1000.0).ceil() / 1000.0)
}

/// Shows neither secret nor digest.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("limit", &self.slots.as_ref().map(|slots| slots.limit))
            .field("tokens_per_minute", &self.tokens.as_ref().map(|bucket| bucket.per_minute()))
            .finish_non_exhaustive()
    }
}

/// The keys that are let in. Without any, everyone is.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(Vec<ApiKey>);

impl ApiKeys {
    /// Let these keys in.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Whether everyone is let in.
    pub fn open(&self) -> bool {
        self.0.is_empty()
    }

    /// The preferences of those keys that have one.
    pub(crate) fn preferences(&self) -> impl Iterator<Item = &Preference> {
        self.0.iter().filter_map(ApiKey::preference)
    }

    /// The key whose secret this is. Every key is compared to its end, so that the time tells nothing.
    pub fn find(&self, secret: &str) -> Option<&ApiKey> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let mut found = u64::MAX;
        for (index, key) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&index, key.digest.ct_eq(&digest));
        }
        self.0.get(usize::try_from(found).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "alpha".
    const ALPHA: &str = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";

    #[test]
    fn only_known_secrets_are_found() {
        let keys = ApiKeys::new([ApiKey::new("alpha"), ApiKey::new("beta").limited(2)]);
        assert!(!keys.open() && ApiKeys::default().open());
        assert!(keys.find("alpha").is_some_and(|key| key.slots.is_none()));
        assert!(keys.find("beta").is_some_and(|key| key.slots.is_some()));
        for wrong in ["", "alph", "alpha ", "ALPHA", "gamma"] {
            assert!(keys.find(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_may_be_given_by_its_digest() {
        let key = |hex: &str| ApiKey::parse(&format!("sha256:{hex}"));
        for hex in [ALPHA.to_owned(), ALPHA.to_uppercase()] {
            let keys = ApiKeys::new(key(&hex));
            assert!(keys.find("alpha").is_some() && keys.find("beta").is_none());
            assert!(keys.find(&format!("sha256:{hex}")).is_none(), "the digest is no key");
        }
        for wrong in ["", &ALPHA[1..], &format!("{ALPHA}0"), &ALPHA.replace('8', "g"), &format!("+{}", &ALPHA[1..])] {
            assert!(key(wrong).is_none(), "{wrong}");
        }
        assert!(ApiKeys::new(ApiKey::parse("alpha")).find("alpha").is_some());
    }

    #[test]
    fn a_limit_counts_what_runs() {
        let key = ApiKey::new("k").limited(1);
        let grant = key.acquire().expect("the first place is free");
        let refused = key.clone().acquire().expect_err("a clone shares the places");
        assert_eq!(refused.status().as_u16(), 429);
        drop(grant);
        assert!(key.acquire().is_ok());
    }

    #[test]
    fn tokens_are_paid_for_when_they_are_used() {
        let key = ApiKey::new("k").rated(1000);
        let grant = key.acquire().expect("the bucket is full");
        grant.spend(400);
        assert!(key.acquire().is_ok());
        grant.spend(700);
        let refused = key.clone().acquire().expect_err("a clone shares the tokens");
        assert_eq!(
            (refused.status().as_u16(), refused.body().error.code.as_deref()),
            (429, Some("rate_limit_exceeded"))
        );
        let mut headers = HeaderMap::new();
        key.tell(&mut headers);
        assert_eq!(headers["x-ratelimit-limit-tokens"], "1000");
        assert_eq!(headers["x-ratelimit-remaining-tokens"], "0");
        assert!(!headers.contains_key("x-ratelimit-limit-requests"));
    }

    #[test]
    fn times_are_written_in_seconds() {
        assert_eq!(span(Duration::ZERO), "0s");
        assert_eq!(span(Duration::from_micros(1_500_100)), "1.501s");
    }

    #[test]
    fn debug_shows_no_secret() {
        let digest = Sha256::digest(b"alpha").to_vec();
        let shown = format!("{:?}", ApiKeys::new([ApiKey::new("alpha")]));
        assert!(!shown.contains("alpha") && !shown.contains(&format!("{}", digest[0])), "{shown}");
    }
}
