//! Scales: which score measures a dimension, and which instructions ask a model for more or less of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// The scales that ship with the crate.
const SHIPPED: &str = include_str!("../scorers/scales.toml");

/// Which way a score moves as the dimension gets stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// A greater score is more of the dimension.
    More,
    /// A smaller score is more of the dimension.
    Less,
}

impl Better {
    /// 1, or -1: times the score, it rises with the dimension.
    pub fn sign(self) -> f64 {
        match self {
            Self::More => 1.0,
            Self::Less => -1.0,
        }
    }
}

/// A score that a dimension is measured by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Its name, as a scorer gives it.
    pub name: String,
    /// Which way is more of the dimension.
    pub better: Better,
    /// What people call it.
    #[serde(default)]
    pub label: Option<String>,
}

impl Score {
    /// What people call it.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

/// How a dimension is measured and told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The scores; the first one counts for verdicts, the others are shown beside it.
    #[serde(default)]
    pub scores: Vec<Score>,
    /// What a prompted model is told for more of it. Without: the reward model's own principle.
    #[serde(default)]
    pub told: Option<String>,
    /// What it is told for less of it. Without: the arms that are told in words have no negative weights.
    #[serde(default)]
    pub opposite: Option<String>,
    /// Questions with answers that have much of it, for the arm `examples`.
    #[serde(default)]
    pub examples: Vec<ExampleTurn>,
}

/// A question with an answer in the wanted style.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleTurn {
    /// What a user asks.
    pub question: String,
    /// How it is answered.
    pub answer: String,
}

/// Scales by dimension.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Scales(BTreeMap<String, Scale>);

impl Scales {
    /// The scales that ship with the crate.
    ///
    /// # Errors
    ///
    /// Never, as a test shows; the text is data all the same.
    pub fn shipped() -> Result<Self, EvalError> {
        Self::parse(SHIPPED, Path::new("scales.toml"))
    }

    /// The scales of a file, and the shipped ones for dimensions that it does not name.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or where it holds something else.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let text = std::fs::read_to_string(path).map_err(EvalError::io("read", path))?;
        let mut scales = Self::shipped()?;
        scales.0.extend(Self::parse(&text, path)?.0);
        Ok(scales)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, EvalError> {
        toml::from_str(text).map_err(|error| EvalError::file(path, error.to_string()))
    }

    /// The scale of a dimension.
    pub fn of(&self, dimension: &str) -> Option<&Scale> {
        self.0.get(dimension)
    }

    /// The score that counts for a dimension.
    pub fn score(&self, dimension: &str) -> Option<&Score> {
        self.of(dimension)?.scores.first()
    }

    /// Sets what a dimension's prompted model is told for more and for less of it, where the scales say nothing.
    pub fn tell(&mut self, dimension: &str, principle: &str, opposite: Option<&str>) {
        let empty = || Scale { scores: Vec::new(), told: None, opposite: None, examples: Vec::new() };
        let scale = self.0.entry(dimension.to_owned()).or_insert_with(empty);
        if scale.told.is_none() {
            scale.told = Some(principle.to_owned());
            scale.opposite = scale.opposite.take().or(opposite.map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_scales_are_sound() {
        let scales = Scales::shipped().unwrap();
        let concise = scales.score("concise").unwrap();
        assert_eq!((concise.name.as_str(), concise.better.sign()), ("words", -1.0));
        for dimension in ["concise", "simple", "cheerful", "harmless", "formal", "pirate"] {
            let scale = scales.of(dimension).unwrap();
            assert!(!scale.scores.is_empty() && scale.told.is_some() && scale.opposite.is_some(), "{dimension}");
        }
        assert_eq!(scales.score("no such"), None);
    }

    #[test]
    fn own_scales_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        std::fs::write(&path, "[concise]\nscores = [{ name = \"chars\", better = \"less\" }]\n").unwrap();
        let mut scales = Scales::read(&path).unwrap();
        assert_eq!(scales.score("concise").unwrap().name, "chars");
        assert_eq!(scales.score("simple"), Scales::shipped().unwrap().score("simple"));
        scales.tell("concise", "conciseness", None);
        scales.tell("sailor", "like a sailor", Some("like a landlubber"));
        scales.tell("sailor", "another", None);
        let told = |dimension: &str| {
            let scale = scales.of(dimension).unwrap();
            (scale.told.as_deref(), scale.opposite.as_deref())
        };
        assert_eq!(told("concise"), (Some("conciseness"), None));
        assert_eq!(told("sailor"), (Some("like a sailor"), Some("like a landlubber")));
        std::fs::write(&path, "[concise]\nscore = 1\n").unwrap();
        let error = Scales::read(&path).unwrap_err().to_string();
        assert!(error.contains("own.toml") && error.contains("score"), "{error}");
    }
}
