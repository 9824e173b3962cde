//! `[reward]`: the manifest of the reward model, or where it is.

use std::fmt;
use std::path::PathBuf;

use pad_reward::Manifest;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The reward model: a table, or a string in its place.
#[derive(Clone, Debug, PartialEq)]
pub enum RewardSettings {
    /// `"none"`: nothing is steered.
    Off,
    /// A manifest, or a folder with a `persrm.toml`.
    Path(PathBuf),
    /// The table itself.
    Manifest(Box<Manifest>),
}

impl RewardSettings {
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
        f.write_str("a table, the path of a manifest or of its folder, or \"none\"")
    }

    fn visit_str<E>(self, name: &str) -> Result<RewardSettings, E> {
        Ok(RewardSettings::from_name(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RewardSettings, A::Error> {
        Manifest::deserialize(MapAccessDeserializer::new(map)).map(|m| RewardSettings::Manifest(Box::new(m)))
    }
}
