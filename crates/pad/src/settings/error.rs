//! What can be wrong with settings.

use std::path::PathBuf;

/// Each message names the key, what is wrong, and the file, variable or flag that it came from.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// The parser's words, with line and column.
        message: String,
    },
    /// A variable that should hold a key, or another thing that protects the server, and holds nothing.
    #[error(
        "the environment variable {variable} is set and empty, which would leave the server unprotected; give it a value, or unset it"
    )]
    Blank {
        /// The variable.
        variable: String,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}`, set by {origin}; known here: {known}")]
    Unknown {
        /// Its full path.
        key: String,
        /// Who set it.
        origin: String,
        /// The keys that exist beside it.
        known: String,
    },
    /// A value of the wrong type.
    #[error("`{key}`, set by {origin}: {message}")]
    Type {
        /// The key's full path.
        key: String,
        /// Who set it.
        origin: String,
        /// What was found and what is expected.
        message: String,
    },
    /// A value that is not allowed.
    #[error("`{key}` is {value}, set by {origin}; allowed: {allowed}")]
    Value {
        /// The key's full path.
        key: String,
        /// Who set it.
        origin: String,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: String,
    },
}

/// A value that is not allowed, before the layer to blame is known.
#[derive(Debug, PartialEq)]
pub struct Bad {
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) allowed: &'static str,
}

impl Bad {
    /// `Err(Bad)` unless `holds`.
    pub fn unless(
        holds: bool,
        key: &'static str,
        value: impl std::fmt::Display,
        allowed: &'static str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { key, value: value.to_string(), allowed }) }
    }
}
