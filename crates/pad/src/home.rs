//! The folder for fetched models.

use std::path::PathBuf;

use anyhow::Context;

use crate::settings::{Environment, Settings};

/// The folder's name among the user's caches.
const NAME: &str = "pad";

/// `home` of the settings, else `pad` in the user's cache folder.
///
/// # Errors
///
/// When neither is known.
pub fn home(settings: &Settings, environment: &Environment) -> anyhow::Result<PathBuf> {
    if !settings.home.is_empty() {
        return Ok(PathBuf::from(&settings.home));
    }
    let cache = environment.cache().context("no folder for models: set PAD_HOME, XDG_CACHE_HOME or HOME")?;
    Ok(cache.join(NAME))
}
