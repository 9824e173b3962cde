//! The environment as a layer of settings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::value::Value;

use super::layer::Layer;

/// All variables of the server begin with this.
const PREFIX: &str = "PAD_";

/// Between section and key.
const SEPARATOR: &str = "__";

/// The most used keys under a short name.
const SHORT: [(&str, &str); 7] = [
    ("PAD_HOST", "server.host"),
    ("PAD_PORT", "server.port"),
    ("PAD_API_KEY", "server.api_keys"),
    ("PAD_MODEL", "model.source"),
    ("PAD_REWARD", "reward"),
    ("PAD_HOME", "home"),
    ("PAD_LOG", "log.level"),
];

/// Names that other programs read, too, for the same things. A variable of the server's own goes before.
const STANDARD: [(&str, &str); 2] =
    [("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.endpoint"), ("OTEL_SERVICE_NAME", "traces.service")];

/// The variables that concern the server.
#[derive(Clone, Default)]
pub struct Environment {
    /// (path, variable, value): standard names first, short names last.
    settings: Vec<(String, String, String)>,
    /// Variables that are set to nothing and must not be.
    blank: Vec<String>,
    /// Variables with the prefix that are not settings.
    ignored: Vec<String>,
    /// Variables with a special meaning.
    others: BTreeMap<String, String>,
}

/// Settings that protect the server. A variable that should hold one and is empty is an accident, not a wish for an open server.
const PROTECTING: [&str; 7] = [
    "server.api_keys",
    "server.api_keys_file",
    "server.max_requests_per_key",
    "server.tokens_per_minute_per_key",
    "server.tls",
    "server.tls.certificate",
    "server.tls.key",
];

/// Variables that are read but are not settings.
const OTHERS: [&str; 8] =
    ["PAD_CONFIG", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HOME", "HF_TOKEN", "HF_ENDPOINT", "NO_COLOR", "TERM"];

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let unicode = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::new(std::env::vars_os().filter_map(unicode))
    }

    /// Sorts (variable, value) pairs. A variable that is set to nothing counts as not set, but for those that protect the server.
    ///
    /// A single underscore makes no setting: container platforms put variables such as
    /// `PAD_SERVICE_HOST` there for a service named "pad".
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut sorted = Self::default();
        let (mut standard, mut short) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            if value.trim().is_empty() && protecting(&name) {
                sorted.blank.push(name);
            } else if value.is_empty() {
                // Container platforms set variables to nothing where a template has no value.
            } else if OTHERS.contains(&name.as_str()) {
                sorted.others.insert(name, value);
            } else if let Some((_, path)) = STANDARD.iter().find(|(variable, _)| *variable == name) {
                standard.push(((*path).to_owned(), name, value));
            } else if let Some((_, path)) = SHORT.iter().find(|(variable, _)| *variable == name) {
                short.push(((*path).to_owned(), name, value));
            } else if let Some(rest) = name.strip_prefix(PREFIX) {
                if rest.contains(SEPARATOR) {
                    sorted.settings.push((path(rest), name, value));
                } else {
                    sorted.ignored.push(name);
                }
            }
        }
        standard.append(&mut sorted.settings);
        standard.append(&mut short);
        sorted.settings = standard;
        sorted
    }

    /// The settings file, if one is named.
    pub fn config(&self) -> Option<&Path> {
        self.other("PAD_CONFIG").map(Path::new)
    }

    /// The folder in which programs of this user keep what they can fetch again.
    pub fn cache(&self) -> Option<PathBuf> {
        let home = || self.other("HOME").map(|home| Path::new(home).join(".cache"));
        self.other("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)
    }

    /// The folder in which programs of this user keep what they cannot fetch again.
    pub fn data(&self) -> Option<PathBuf> {
        let home = || self.other("HOME").map(|home| Path::new(home).join(".local").join("share"));
        self.other("XDG_DATA_HOME").map(PathBuf::from).or_else(home)
    }

    /// The access token for private repositories of models.
    pub fn hub_token(&self) -> Option<&str> {
        self.other("HF_TOKEN")
    }

    /// The address of the hub of models, or of a mirror.
    pub fn hub_endpoint(&self) -> Option<&str> {
        self.other("HF_ENDPOINT")
    }

    /// Whether the terminal shows no colours, or its user wants none (no-color.org).
    pub fn colourless(&self) -> bool {
        self.other("NO_COLOR").is_some() || self.other("TERM").is_none_or(|terminal| terminal == "dumb")
    }

    fn other(&self, name: &str) -> Option<&str> {
        self.others.get(name).map(String::as_str)
    }

    /// A variable that protects the server and is set to nothing.
    pub(super) fn blank(&self) -> Option<&str> {
        self.blank.first().map(String::as_str)
    }

    /// Variables that look like settings and are none.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The variables as values, each read as the type that its key has in `defaults`.
    pub(super) fn layer(&self, defaults: &Layer) -> Layer {
        let mut layer = Layer::new("the environment");
        for (path, variable, text) in &self.settings {
            let keys: Vec<&str> = path.split('.').collect();
            let value = typed(text, defaults.get(&keys));
            layer.set(path, &format!("the environment variable {variable}"), value);
        }
        layer
    }
}

/// The path of a key from the part of a variable's name behind the prefix.
fn path(rest: &str) -> String {
    rest.to_lowercase().replace(SEPARATOR, ".")
}

/// Whether a variable holds a setting that protects the server.
fn protecting(name: &str) -> bool {
    let short = SHORT.iter().find(|(variable, _)| *variable == name).map(|(_, path)| (*path).to_owned());
    let path = short.or_else(|| name.strip_prefix(PREFIX).map(path));
    path.is_some_and(|path| PROTECTING.contains(&path.as_str()))
}

/// A text where a text belongs, so that a key of digits stays one; a list may be written with commas.
fn typed(text: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::String(..)) => Value::from(text),
        // `reward` may be a table or the name of one.
        Some(Value::Dict(..)) if !text.starts_with('{') => Value::from(text),
        Some(Value::Array(..)) if !text.starts_with('[') => {
            Value::from(text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>())
        }
        // Reading what resembles TOML cannot fail: the rest is a string.
        _ => text.parse().unwrap_or_else(|_| Value::from(text)),
    }
}
