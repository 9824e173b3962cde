//! Sets up the log: to standard error, so that standard output holds results only.

use std::io::IsTerminal;

use anyhow::Context;

use crate::settings::{LogFormat, LogSettings};

/// Starts logging for the whole process.
///
/// # Errors
///
/// When a log was set up already, or the level is none.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = settings.filter().context("log.level is not a valid level")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log cannot be set up: {error}"))
}
