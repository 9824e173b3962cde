//! Models that are known to work, by short names.

use serde::Deserialize;

use crate::{HubError, Source};

/// The catalogue that comes with the program.
const SHIPPED: &str = include_str!("../../../config/models.toml");

/// Some models by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// In the order of the file.
    pub models: Vec<KnownModel>,
}

/// A model that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// The short name, which takes the place of a source.
    pub name: String,
    /// The family, as its GGUF file names it.
    pub family: String,
    /// Number of parameters, in millions.
    pub millions: u32,
    /// The format of most of its weights.
    pub format: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Longest context in tokens.
    pub context: u32,
    /// The licence, as SPDX writes it, or its name.
    pub licence: String,
    /// Where its reward model comes from: a folder of `models/` that is part of the program, or `prompted`.
    pub reward: String,
    /// What was verified, and how.
    pub verified: String,
    /// The SHA-256 of the file.
    pub sha256: String,
    /// Where the file can be had, the best place first.
    pub sources: Vec<Source>,
}

impl Catalogue {
    /// The catalogue that comes with the program.
    ///
    /// # Errors
    /// Never, unless the program was built with a broken one.
    pub fn shipped() -> Result<Self, HubError> {
        Self::parse(SHIPPED)
    }

    /// A catalogue in TOML.
    ///
    /// # Errors
    /// [`HubError::Catalogue`].
    pub fn parse(text: &str) -> Result<Self, HubError> {
        toml::from_str(text).map_err(|error| HubError::Catalogue { problem: error.to_string() })
    }

    /// The model of this name, whatever the case.
    pub fn find(&self, name: &str) -> Option<&KnownModel> {
        self.models.iter().find(|model| model.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_one_is_whole() {
        let catalogue = Catalogue::shipped().unwrap();
        assert!(!catalogue.models.is_empty());
        for model in &catalogue.models {
            let KnownModel { name, sources, sha256, .. } = model;
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c)), "{name}");
            assert!(!sources.is_empty() && sha256.parse::<crate::checksum::Sha256Text>().is_ok(), "{name}");
            assert!(sources.iter().all(|source| !matches!(source, Source::Path(_))), "{name}");
            assert_eq!(catalogue.models.iter().filter(|other| other.name == *name).count(), 1, "{name}");
            assert_eq!(catalogue.find(&name.to_uppercase()), Some(model));
        }
        assert_eq!(catalogue.find("no-such-model"), None);
    }

    #[test]
    fn a_source_that_names_nothing_is_refused() {
        let text = SHIPPED.replacen("\"pypi:", "\"pypi:=", 1);
        let error = Catalogue::parse(&text).unwrap_err().to_string();
        assert!(error.contains("does not name a model"), "{error}");
    }
}
