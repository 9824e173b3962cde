//! API keys: kept as digests, compared in constant time, each with its own limit.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;

/// One key: its SHA-256 and how much it may run at once.
#[derive(Clone)]
pub struct ApiKey {
    digest: [u8; 32],
    slots: Option<Slots>,
}

#[derive(Clone)]
struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
}

impl ApiKey {
    /// A key without a limit of its own. The secret is not kept.
    pub fn new(secret: &str) -> Self {
        Self { digest: Sha256::digest(secret.as_bytes()).into(), slots: None }
    }

    /// The same key, with at most `limit` generations at once.
    #[must_use]
    pub fn limited(self, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { slots: Some(Slots { free: Arc::new(Semaphore::new(limit)), limit }), ..self }
    }

    /// A place for one generation, given back when dropped; none is needed where the key has no limit.
    ///
    /// # Errors
    /// 429 where all of the key's places are taken.
    pub fn acquire(&self) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        let Some(slots) = &self.slots else { return Ok(None) };
        let Ok(permit) = Arc::clone(&slots.free).try_acquire_owned() else {
            let message = format!("this API key runs {} requests already, which is its limit", slots.limit);
            return Err(ApiError::too_many_requests("rate_limit_exceeded", message));
        };
        Ok(Some(permit))
    }
}

/// Shows neither secret nor digest.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("limit", &self.slots.as_ref().map(|slots| slots.limit)).finish_non_exhaustive()
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
    fn a_limit_counts_what_runs() {
        let key = ApiKey::new("k").limited(1);
        let permit = key.acquire().expect("the first place is free");
        let refused = key.clone().acquire().expect_err("a clone shares the places");
        assert_eq!(refused.status().as_u16(), 429);
        drop(permit);
        assert!(key.acquire().is_ok());
        assert!(ApiKey::new("k").acquire().is_ok_and(|permit| permit.is_none()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let digest = Sha256::digest(b"alpha").to_vec();
        let shown = format!("{:?}", ApiKeys::new([ApiKey::new("alpha")]));
        assert!(!shown.contains("alpha") && !shown.contains(&format!("{}", digest[0])), "{shown}");
    }
}
