//! All settings in one tree, and how it is assembled.
//!
//! Four layers, later ones override earlier ones: the embedded `config/pad.toml`, a file, the environment, flags.
//! The embedded file holds every key, so it is also the list of all keys.

mod blame;
mod defaults;
mod engine;
mod environment;
mod error;
mod grammar;
mod layer;
mod log;
mod model;
mod reward;
mod server;
mod size;
mod store;
mod tls;
mod traces;

#[cfg(test)]
mod tests;

use std::path::Path;

use figment::Figment;
use figment::providers::Serialized;
use serde::Deserialize;

pub use defaults::DefaultsSettings;
pub use engine::{EngineSettings, KvDtype};
pub use environment::Environment;
pub use error::SettingsError;
pub use grammar::GrammarSettings;
pub use layer::Layer;
pub use log::{LogFormat, LogSettings};
pub use model::{Dtype, ModelSettings, Quantise};
pub use reward::RewardSettings;
pub use server::ServerSettings;
pub use store::{ProfileSettings, StoreSettings};
pub use tls::TlsSettings;
pub use traces::TracesSettings;

use error::Bad;

/// The embedded defaults.
pub const DEFAULTS: &str = include_str!("../../../../config/pad.toml");

/// The whole tree; each key is explained in `config/pad.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of fetched models; empty: the user's cache folder.
    pub home: String,
    /// Listening and limits.
    pub server: ServerSettings,
    /// The base model.
    pub model: ModelSettings,
    /// The engine's sizes.
    pub engine: EngineSettings,
    /// What forms of answers may cost.
    pub grammar: GrammarSettings,
    /// What requests leave open.
    pub defaults: DefaultsSettings,
    /// The reward model.
    pub reward: RewardSettings,
    /// What outlives requests.
    pub store: StoreSettings,
    /// How stored profiles apply.
    pub profiles: ProfileSettings,
    /// The log.
    pub log: LogSettings,
    /// Where spans of requests are sent.
    pub traces: TracesSettings,
}

impl Settings {
    /// Reads and merges all layers, and checks every value.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], with the key, the value or what is allowed, and the layer it came from.
    pub fn load(file: Option<&Path>, environment: &Environment, flags: Layer) -> Result<Self, SettingsError> {
        let defaults = Layer::from_toml("the embedded defaults", DEFAULTS)?;
        let file = file.map(Layer::from_file).transpose()?;
        if let Some(variable) = environment.blank() {
            return Err(SettingsError::Blank { variable: variable.to_owned() });
        }
        let environment = environment.layer(&defaults);
        let layers = [Some(defaults), file, Some(environment), Some(flags)].into_iter().flatten();
        let mut layers: Vec<Layer> = layers.map(without_stale_checksum).collect();
        let by_base_model = reward::take_choice(&mut layers);
        let mut settings = Self::merge(&layers)?;
        if by_base_model {
            settings.reward = settings.reward.into_auto();
        }
        Ok(settings)
    }

    fn merge(layers: &[Layer]) -> Result<Self, SettingsError> {
        let merged = layers.iter().fold(Figment::new(), |all, layer| all.merge(Serialized::defaults(layer.values())));
        let settings: Self = merged.extract().map_err(|error| SettingsError::from_figment(error, layers))?;
        settings.check().map_err(|bad| SettingsError::value(&bad, layers))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Bad> {
        self.server.check()?;
        self.model.check()?;
        self.engine.check()?;
        let kv_dtype = self.engine.kv_dtype;
        Bad::unless(
            kv_dtype == KvDtype::Auto || self.model.cuda().is_none(),
            "engine.kv_dtype",
            kv_dtype.name(),
            "`auto`; `q8` needs model.device `cpu` or `auto`",
        )?;
        self.grammar.check()?;
        self.defaults.check()?;
        self.store.check()?;
        let bound = self.profiles.bind_user;
        Bad::unless(
            self.store.on() || !bound,
            "profiles.bind_user",
            bound,
            "true only with a `store.url` other than `none`",
        )?;
        Bad::unless(self.profiles.in_context <= 16, "profiles.in_context", self.profiles.in_context, "at most 16")?;
        self.log.check()?;
        self.traces.check()
    }
}

/// A checksum belongs to the source beside it: a layer that names another source clears it.
fn without_stale_checksum(mut layer: Layer) -> Layer {
    if layer.get(&["model", "source"]).is_some() && layer.get(&["model", "sha256"]).is_none() {
        layer.set("model.sha256", "the model's new source", "");
    }
    layer
}
