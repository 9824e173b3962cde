//! What can be wrong with settings, and which layer is to blame.

use std::path::PathBuf;

use figment::error::Kind;

use super::layer::Layer;

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
    key: &'static str,
    value: String,
    allowed: &'static str,
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

impl SettingsError {
    /// Finds the layer whose value was refused.
    pub(super) fn value(bad: &Bad, layers: &[Layer]) -> Self {
        let path: Vec<&str> = bad.key.split('.').collect();
        let (origin, value) = (blame(layers, &path), format!("`{}`", bad.value));
        Self::Value { key: bad.key.to_owned(), origin, value, allowed: bad.allowed.to_owned() }
    }

    /// Puts the deserialiser's error in this crate's words.
    pub(super) fn from_figment(error: figment::Error, layers: &[Layer]) -> Self {
        let mut path = error.path.clone();
        match error.kind {
            Kind::UnknownField(field, known) => {
                // The path ends at the table, or already at the field.
                if path.last() != Some(&field) {
                    path.push(field);
                }
                let known = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                Self::Unknown { key: path.join("."), origin: blame_owned(layers, &path), known }
            }
            Kind::MissingField(field) => {
                let origin = blame_owned(layers, &path);
                path.push(field.into_owned());
                Self::Type { key: path.join("."), origin, message: "this key is missing".to_owned() }
            }
            kind => {
                let origin = blame_owned(layers, &path);
                Self::Type { key: path.join("."), origin, message: kind.to_string() }
            }
        }
    }
}

fn blame_owned(layers: &[Layer], path: &[String]) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    blame(layers, &path)
}

/// The last layer that holds the key, or the nearest table around it.
fn blame(layers: &[Layer], path: &[&str]) -> String {
    (0..=path.len())
        .rev()
        .find_map(|length| layers.iter().rev().find_map(|layer| layer.origin(&path[..length])))
        .unwrap_or_else(|| "the settings".to_owned())
}
