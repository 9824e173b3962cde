//! `[reward]`: the manifest of the reward model, or where it is.

use std::fmt;
use std::path::PathBuf;

use pad_reward::Manifest;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::layer::Layer;

/// The reward model: a table, or a string in its place.
#[derive(Clone, Debug, PartialEq)]
pub enum RewardSettings {
    /// `"auto"`, and where nothing is said: the reward model that comes with the program where the base model is the one it was
    /// trained on, else this table.
    Auto(Box<Manifest>),
    /// `"none"`: nothing is steered.
    Off,
    /// A manifest, or a folder with a `persrm.toml`.
    Path(PathBuf),
    /// The table itself.
    Manifest(Box<Manifest>),
}

/// The choice made by a layer of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RewardChoice {
    /// `"auto"`.
    Auto,
    /// Anything else.
    Chosen,
}

/// Takes `"auto"` and `"prompted"` out of the layers behind the first, the defaults, whose table they leave in place; true if the
/// last word is to choose by the base model.
pub fn take_choice(layers: &mut [Layer]) -> bool {
    let mut last = RewardChoice::Auto;
    for layer in layers.iter_mut().skip(1) {
        match layer.get(&["reward"]).map(|value| value.as_str().map(str::to_owned)) {
            None => continue,
            Some(Some(name)) if name == "auto" => last = RewardChoice::Auto,
            Some(Some(name)) if name == "prompted" => last = RewardChoice::Chosen,
            Some(_) => {
                last = RewardChoice::Chosen;
                continue;
            }
        }
        layer.remove("reward");
    }
    last == RewardChoice::Auto
}

impl RewardSettings {
    /// The table as what is left to choose.
    pub fn into_auto(self) -> Self {
        if let Self::Manifest(manifest) = self { Self::Auto(manifest) } else { self }
    }

    /// Reads the string form.
    fn from_name(name: &str) -> Self {
        if name == "none" { Self::Off } else { Self::Path(name.into()) }
    }
}

impl<'de> Deserialize<'de> for RewardSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RewardVisitor)
    }
}

struct RewardVisitor;

impl<'de> Visitor<'de> for RewardVisitor {
    type Value = RewardSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, the path of a manifest or of its folder, \"auto\", \"prompted\" or \"none\"")
    }

    fn visit_str<E>(self, name: &str) -> Result<RewardSettings, E> {
        Ok(RewardSettings::from_name(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RewardSettings, A::Error> {
        Manifest::deserialize(MapAccessDeserializer::new(map)).map(|m| RewardSettings::Manifest(Box::new(m)))
    }
}
