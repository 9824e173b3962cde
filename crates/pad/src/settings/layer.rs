//! One source of settings: its values, and what to call it in a message.

use std::collections::BTreeMap;
use std::path::Path;

use figment::Provider;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::error::SettingsError;

/// Values from one place.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// What the place is called.
    label: String,
    /// What single keys are called there, by path: a variable or a flag.
    labels: BTreeMap<String, String>,
    values: Dict,
}

impl Layer {
    /// An empty layer.
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), ..Self::default() }
    }

    /// Parses TOML.
    pub fn from_toml(label: &str, text: &str) -> Result<Self, SettingsError> {
        let data = Toml::string(text)
            .data()
            .map_err(|error| SettingsError::Syntax { origin: label.to_owned(), message: error.kind.to_string() })?;
        let values = data.into_values().next().unwrap_or_default();
        Ok(Self { values, ..Self::new(label) })
    }

    /// Reads a TOML file.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::File { path: path.to_owned(), source })?;
        Self::from_toml(&path.display().to_string(), &text)
    }

    /// Sets `path` (keys joined with dots) to a value that `label` names in messages.
    pub fn set(&mut self, path: &str, label: &str, value: impl Into<Value>) {
        self.labels.insert(path.to_owned(), label.to_owned());
        let keys: Vec<&str> = path.split('.').collect();
        insert(&mut self.values, &keys, value.into());
    }

    /// Sets `path` when there is a value.
    pub fn set_some(&mut self, path: &str, label: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, label, value);
        }
    }

    /// Takes a key at the top out.
    pub fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// The values as a tree.
    pub fn values(&self) -> &Dict {
        &self.values
    }

    /// The value at a path; numbers index arrays.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.values.get(*first)?, |value, key| match value {
            Value::Dict(_, dict) => dict.get(*key),
            Value::Array(_, items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// What to call the place of a key in a message; `None` when this layer does not hold it.
    pub fn origin(&self, path: &[&str]) -> Option<String> {
        self.get(path)?;
        let named = (1..=path.len()).rev().find_map(|length| self.labels.get(&path[..length].join(".")));
        Some(named.unwrap_or(&self.label).clone())
    }
}

fn insert(dict: &mut Dict, keys: &[&str], value: Value) {
    let Some((first, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        dict.insert((*first).to_owned(), value);
        return;
    }
    let entry = dict.entry((*first).to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if entry.as_dict().is_none() {
        *entry = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = entry {
        insert(inner, rest, value);
    }
}
