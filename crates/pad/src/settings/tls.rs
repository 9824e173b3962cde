//! `[server.tls]`: the certificate of an encrypted server.

use serde::Deserialize;

use super::error::Bad;

/// Certificate and key, by the paths of two PEM files; without them the server speaks plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate, with those that vouch for it.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl TlsSettings {
    /// Whether the server encrypts.
    pub fn on(&self) -> bool {
        !self.certificate.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        let both = self.certificate.is_empty() == self.key.is_empty();
        Bad::unless(both, "server.tls", "one path without the other", "`certificate` and `key`, or neither")
    }
}
