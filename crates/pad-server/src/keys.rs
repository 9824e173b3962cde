//! API keys: kept as digests, compared in constant time, each with its own limits.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use pad_api::Preference;
use pad_store::Scope;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;
use crate::rate::Bucket;

/// Begins a key that is given by its digest.
const DIGEST: &str = "sha256:";

/// One key: its SHA-256, how many choices it may run at once, and how many tokens it may use in a minute.
#[derive(Clone)]
pub struct ApiKey {
    digest: [u8; 32],
    slots: Option<Slots>,
    tokens: Option<Arc<Bucket>>,
    /// What its requests are steered towards where they say nothing.
    preference: Option<Arc<Preference>>,
    /// Who owns what is stored for it, if that is not the key itself.
    owner: Option<Arc<str>>,
}

#[derive(Clone)]
struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
}

impl ApiKey {
    /// A key without limits of its own. The secret is not kept.
    pub fn new(secret: &str) -> Self {
        Self {
            digest: Sha256::digest(secret.as_bytes()).into(),
            slots: None,
            tokens: None,
            preference: None,
            owner: None,
        }
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
        Some(Self { digest, slots: None, tokens: None, preference: None, owner: None })
    }

    /// The SHA-256 of the secret.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The same key, with at most `limit` choices at once.
    #[must_use]
    pub fn limited(self, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { slots: Some(Slots { free: Arc::new(Semaphore::new(limit)), limit }), ..self }
    }

    /// The same key, limited to this many tokens per minute, prompts and answers together.
    #[must_use]
    pub fn rated(self, tokens_per_minute: u32) -> Self {
        Self { tokens: Some(Arc::new(Bucket::new(tokens_per_minute, Instant::now()))), ..self }
    }

    /// The same key, whose requests are steered towards this where they say nothing: a text as in the header `x-pad-preference`.
    ///
    /// # Errors
    /// If the text is not a preference.
    pub fn preferring(self, preference: &str) -> Result<Self, String> {
        Ok(Self { preference: Some(Arc::new(Preference::from_text(preference)?)), ..self })
    }

    /// What its requests are steered towards where they say nothing.
    pub(crate) fn preference(&self) -> Option<&Preference> {
        self.preference.as_deref()
    }

    /// The same key, which shares profiles and stored responses with all keys of this owner. So a key can be replaced without losing them.
    #[must_use]
    pub fn owned_by(self, owner: &str) -> Self {
        Self { owner: Some(owner.into()), ..self }
    }

    /// Whose profiles and stored responses its requests see.
    pub(crate) fn scope(&self) -> Scope {
        self.owner.as_deref().map_or_else(|| Scope::of_key(&self.digest), Scope::of_owner)
    }

    /// Reserves places for this many more choices.
    ///
    /// # Errors
    /// 429 where they are not free.
    pub(crate) fn places(&self, count: usize) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        let Some(Slots { free, limit }) = &self.slots else { return Ok(None) };
        let full = |_| {
            let running = limit - free.available_permits();
            let message = format!(
                "this API key runs {running} choices (each of a request's `n`, for each of its prompts); {count} more are \
                 asked for, and its limit is {limit} at once"
            );
            ApiError::too_many_requests("rate_limit_exceeded", message)
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Arc::clone(free).try_acquire_many_owned(count).map(Some).map_err(full)
    }

    /// Its tokens, where they are limited.
    pub(crate) fn bucket(&self) -> Option<&Arc<Bucket>> {
        self.tokens.as_ref()
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
pub struct ApiKeys {
    keys: Arc<[ApiKey]>,
    shared_prefixes: bool,
}

impl ApiKeys {
    /// Let these keys in.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self { keys: keys.into_iter().collect(), shared_prefixes: false }
    }

    /// The same keys, whose requests find each other's cached prompts: each can then tell from `cached_tokens`, and from the time,
    /// what others sent.
    #[must_use]
    pub fn sharing_prefixes(self) -> Self {
        Self { shared_prefixes: true, ..self }
    }

    /// Whether keys find each other's cached prompts.
    pub(crate) fn share_prefixes(&self) -> bool {
        self.shared_prefixes
    }

    /// How many keys there are.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Whether everyone is admitted.
    pub fn open(&self) -> bool {
        self.keys.is_empty()
    }

    /// The preferences of those keys that have one.
    pub(crate) fn preferences(&self) -> impl Iterator<Item = &Preference> {
        self.keys.iter().filter_map(ApiKey::preference)
    }

    /// The key whose secret this is. Every key is compared completely, so that the time reveals nothing.
    pub fn find(&self, secret: &str) -> Option<&ApiKey> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let mut found = u64::MAX;
        for (index, key) in (0_u64..).zip(self.keys.iter()) {
            found.conditional_assign(&index, key.digest.ct_eq(&digest));
        }
        self.keys.get(usize::try_from(found).ok()?)
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
    fn clones_share_places_and_tokens() {
        let key = ApiKey::new("k").limited(3).rated(1000);
        let held = key.places(2).expect("free places");
        let refused = key.clone().places(2).expect_err("one is left");
        assert_eq!(refused.status().as_u16(), 429);
        assert!(
            refused.body().error.message.contains("runs 2 choices")
                && refused.body().error.message.contains("limit is 3")
        );
        drop(held);
        assert!(key.places(3).is_ok() && key.places(4).is_err());
        key.clone().bucket().expect("a bucket").spend(1100, Instant::now());
        let mut headers = HeaderMap::new();
        key.tell(&mut headers);
        assert_eq!(headers["x-ratelimit-limit-tokens"], "1000");
        assert_eq!(headers["x-ratelimit-remaining-tokens"], "0");
        assert_eq!(headers["x-ratelimit-remaining-requests"], "3");
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
