//! The store of profiles and responses, where the settings say.

use std::path::PathBuf;

use anyhow::Context;
use pad_store::{Location, Store, StoreError};

use crate::settings::{Environment, Settings};

/// The file's name in the data folder.
const FILE: &str = "pad.sqlite";
/// The data folder's name among the user's.
const FOLDER: &str = "pad";

/// Opens the store, and starts its tasks.
///
/// PostgreSQL that is out of reach is waited for while text is generated already. A file in the default place that cannot be written is
/// replaced by memory: so a server starts in a container without a place to write.
///
/// # Errors
///
/// When the database is of a newer version, or a file that the settings name cannot be used.
pub async fn open(settings: &Settings, environment: &Environment) -> anyhow::Result<Option<Store>> {
    if !settings.store.on() {
        return Ok(None);
    }
    let limits = settings.store.limits();
    let named = !settings.store.url.is_empty();
    let location = if named {
        Location::parse(&settings.store.url)?
    } else {
        Location::File(default_file(settings, environment)?)
    };
    let waits = matches!(location, Location::Postgres(_));
    let store = Store::new(location, limits);
    match store.open().await {
        Ok(()) => tracing::info!(place = store.place(), "profiles and responses are stored"),
        Err(StoreError::Unavailable(why)) if waits => {
            tracing::error!(place = store.place(), %why, "the database does not answer yet; text is generated without it");
        }
        Err(error @ StoreError::File { .. }) if !named => {
            tracing::warn!(
                %error,
                "profiles and responses are kept in memory only, and lost when the server ends: set `store.url`, or `home` to a folder \
                 that can be written"
            );
            let store = Store::in_memory(limits);
            store.open().await?;
            store.watch();
            return Ok(Some(store));
        }
        Err(error) => return Err(error).with_context(|| format!("store.url, {}", store.place())),
    }
    store.watch();
    Ok(Some(store))
}

/// `pad.sqlite` in the folder of models, if the settings name one, else in the user's data folder: what is in caches may be deleted.
fn default_file(settings: &Settings, environment: &Environment) -> anyhow::Result<PathBuf> {
    if !settings.home.is_empty() {
        return Ok(PathBuf::from(&settings.home).join(FILE));
    }
    let data = environment.data().context("no folder for profiles: set store.url, PAD_HOME, XDG_DATA_HOME or HOME")?;
    Ok(data.join(FOLDER).join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Layer;

    fn load(variables: &[(&str, &str)]) -> (Settings, Environment) {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = Environment::new(variables);
        (Settings::load(None, &environment, Layer::default()).unwrap(), environment)
    }

    #[test]
    fn the_default_file_is_where_data_belong() {
        let place = |variables: &[(&str, &str)]| {
            let (settings, environment) = load(variables);
            default_file(&settings, &environment).map(|path| path.display().to_string()).unwrap_or_default()
        };
        assert_eq!(place(&[("PAD_HOME", "/var/lib/pad"), ("HOME", "/h")]), "/var/lib/pad/pad.sqlite");
        assert_eq!(place(&[("XDG_DATA_HOME", "/data"), ("HOME", "/h")]), "/data/pad/pad.sqlite");
        assert_eq!(place(&[("HOME", "/h")]), "/h/.local/share/pad/pad.sqlite");
        assert_eq!(place(&[]), "");
    }

    #[tokio::test]
    async fn the_default_place_may_be_unwritable_and_a_named_one_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (settings, environment) = load(&[("PAD_HOME", file.to_str().unwrap())]);
        assert_eq!(open(&settings, &environment).await.unwrap().unwrap().place(), "memory");
        let url = format!("sqlite:{}/pad.sqlite", file.display());
        let (settings, environment) = load(&[("PAD_STORE__URL", url.as_str())]);
        let error = format!("{:#}", open(&settings, &environment).await.unwrap_err());
        assert!(error.contains("store.url") && error.contains(&url[7..]), "{error}");
        let (settings, environment) = load(&[("PAD_STORE__URL", "none")]);
        assert!(open(&settings, &environment).await.unwrap().is_none());
    }
}
