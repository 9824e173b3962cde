//! Preferences: weights by dimension, and the sets of them that are tried.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// Weights by dimension; dimensions that are not there weigh nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, f64>")]
pub struct Preference(BTreeMap<String, f64>);

impl From<BTreeMap<String, f64>> for Preference {
    fn from(mut weights: BTreeMap<String, f64>) -> Self {
        weights.retain(|_, weight| *weight != 0.0);
        Self(weights)
    }
}

impl Preference {
    /// No preference: the base model's own answer.
    pub fn none() -> Self {
        Self::default()
    }

    /// These weights; those of 0 are left out.
    pub fn of(weights: &[(&str, f64)]) -> Self {
        weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect::<BTreeMap<_, _>>().into()
    }

    /// Whether nothing is preferred.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The weights that are not 0, by name.
    pub fn weights(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, weight)| (name.as_str(), *weight))
    }

    /// The weight of a dimension.
    pub fn weight(&self, dimension: &str) -> f64 {
        self.0.get(dimension).copied().unwrap_or(0.0)
    }
}

/// `concise=1 simple=-0.5`, or `none`: the same for equal preferences.
impl fmt::Display for Preference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        for (number, (name, weight)) in self.weights().enumerate() {
            let space = if number > 0 { " " } else { "" };
            write!(f, "{space}{name}={weight}")?;
        }
        Ok(())
    }
}

/// Which preferences are tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The dimensions that are steered one at a time.
    pub dimensions: Vec<String>,
    /// The weights that each of them gets; 0 is the base model's and always there.
    pub weights: Vec<f64>,
    /// Pairs of dimensions that are steered together, with every combination of the weights above 0.
    pub fronts: Vec<(String, String)>,
    /// Sets of dimensions that weigh 1 each.
    pub mixtures: Vec<Vec<String>>,
}

impl Grid {
    /// All preferences of the grid but none, each once.
    pub fn preferences(&self) -> Vec<Preference> {
        let single = self
            .dimensions
            .iter()
            .flat_map(|dimension| self.weights.iter().map(move |weight| Preference::of(&[(dimension, *weight)])));
        let positive = || self.weights.iter().copied().filter(|weight| *weight > 0.0);
        let together = self.fronts.iter().flat_map(|(one, other)| {
            positive().flat_map(move |a| positive().map(move |b| Preference::of(&[(one, a), (other, b)])))
        });
        let mixed =
            self.mixtures.iter().map(|names| Preference(names.iter().map(|name| (name.clone(), 1.0)).collect()));
        let mut all: Vec<Preference> = Vec::new();
        for preference in single.chain(together).chain(mixed) {
            if !preference.is_none() && !all.contains(&preference) {
                all.push(preference);
            }
        }
        all
    }
}

/// Reads preferences from a file: a JSON array of objects, or an object a line.
///
/// # Errors
///
/// When the file cannot be read or an entry is not an object of weights.
pub fn read(path: &Path) -> Result<Vec<Preference>, EvalError> {
    let text = fs::read_to_string(path).map_err(EvalError::io("read", path))?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).map_err(|error| EvalError::file(path, error.to_string()));
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| EvalError::file(path, format!("line {}: {error}", number + 1)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_zero_are_not_there() {
        let read: Preference = serde_json::from_str(r#"{"b": -0.5, "a": 1, "c": 0}"#).unwrap();
        assert_eq!(read, Preference::of(&[("a", 1.0), ("b", -0.5)]));
        assert_eq!(read.to_string(), "a=1 b=-0.5");
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"a":1.0,"b":-0.5}"#);
        assert_eq!((read.weight("b"), read.weight("c")), (-0.5, 0.0));
        assert_eq!(Preference::of(&[("a", 0.0)]).to_string(), "none");
    }

    #[test]
    fn a_grid_holds_each_preference_once() {
        let grid = Grid {
            dimensions: vec!["a".to_owned(), "b".to_owned()],
            weights: vec![-1.0, 0.0, 1.0, 2.0],
            fronts: vec![("a".to_owned(), "b".to_owned()), ("a".to_owned(), "b".to_owned())],
            mixtures: vec![vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]],
        };
        let labels: Vec<String> = grid.preferences().iter().map(ToString::to_string).collect();
        let single = ["a=-1", "a=1", "a=2", "b=-1", "b=1", "b=2"];
        let expected = [&single[..], &["a=1 b=1", "a=1 b=2", "a=2 b=1", "a=2 b=2", "a=1 b=1 c=1"]].concat();
        assert_eq!(labels, expected);
    }

    #[test]
    fn files_hold_objects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preferences.jsonl");
        let read_text = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path)
        };
        let expected = [Preference::of(&[("a", 1.0)]), Preference::none()];
        assert_eq!(read_text("{\"a\": 1}\n{}\n").unwrap(), expected);
        assert_eq!(read_text("[{\"a\": 1}, {\"a\": 0}]").unwrap(), expected);
        let error = read_text("{}\n{\"a\": \"much\"}").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
