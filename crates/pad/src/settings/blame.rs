//! Finds the layer that set a rejected value.

use figment::error::Kind;

use super::error::{Bad, SettingsError};
use super::layer::Layer;

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
