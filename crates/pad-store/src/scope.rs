//! Whose something is.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The owner of profiles and documents: everyone, or those who have a certain API key or are called so in the settings.
///
/// The name in the database is a digest, from which neither the key nor the digest that settings may have can be computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    /// The scope of a server without API keys.
    pub fn common() -> Self {
        Self("common".to_owned())
    }

    /// The scope of an API key of which this is the digest.
    pub fn of_key(digest: &[u8; 32]) -> Self {
        Self::digest(b"key", digest)
    }

    /// The scope of all API keys to which settings give this owner.
    pub fn of_owner(name: &str) -> Self {
        Self::digest(b"owner", name.as_bytes())
    }

    fn digest(kind: &[u8], whose: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"pad-store scope of ");
        digest.update(kind);
        digest.update([0]);
        digest.update(whose);
        let mut name = String::with_capacity(64);
        for byte in digest.finalize() {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        Self(name)
    }

    /// The scope that has this name in the database.
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its name in the database.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_apart_and_hold_no_digest_of_settings() {
        let digest: [u8; 32] = Sha256::digest(b"alpha").into();
        let scopes = [Scope::common(), Scope::of_key(&digest), Scope::of_key(&[0; 32]), Scope::of_owner("alpha")];
        for (at, scope) in scopes.iter().enumerate() {
            assert_eq!(scopes.iter().position(|other| other == scope), Some(at));
        }
        assert!(!Scope::of_key(&digest).name().starts_with("8ed3f6ad"), "the digest of the key itself");
        assert_eq!(Scope::of_key(&digest).name().len(), 64);
    }
}
