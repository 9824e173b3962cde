//! `[log]`: level and format of the log on standard error.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::error::Bad;

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// A level or directives.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogSettings {
    pub(super) fn check(&self) -> Result<(), Bad> {
        let allowed = "`error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,pad_engine=debug`";
        Bad::unless(self.filter().is_some(), "log.level", &self.level, allowed)
    }

    /// The level as a filter; `None` if it is neither a level nor a directive.
    pub fn filter(&self) -> Option<EnvFilter> {
        // A lone word that is not a level would be read as the name of a module.
        let known = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
        let words = self.level.split(',').map(str::trim).filter(|word| !word.contains('='));
        if self.level.trim().is_empty() || !words.map(str::to_lowercase).all(|word| known(&word)) {
            return None;
        }
        EnvFilter::try_new(&self.level).ok()
    }
}
