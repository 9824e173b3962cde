//! Named evaluations that follow published tables.

use serde::Deserialize;

use crate::error::EvalError;
use crate::method::Method;
use crate::preference::Preference;

/// The tables of the PAD paper (arXiv 2410.04070).
const PAPER: &str = include_str!("../presets/paper.toml");

/// What is asked where the command line says nothing else.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The arms.
    pub methods: Vec<Method>,
    /// The preferences.
    pub preferences: Vec<Preference>,
    /// Guidance strengths.
    pub betas: Vec<f64>,
    /// Of sampled answers.
    pub temperature: f64,
    /// Seeds of sampled answers.
    pub seeds: Vec<u64>,
    /// Whether greedy answers are asked for as well.
    pub greedy: bool,
    /// Tokens of an answer at most.
    pub tokens: usize,
}

impl Preset {
    /// The preset of a name.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn named(name: &str) -> Result<Self, EvalError> {
        let refused = |problem: String| EvalError::Value { what: "the preset", given: name.to_owned(), problem };
        match name {
            "paper" => toml::from_str(PAPER).map_err(|error| refused(error.to_string())),
            _ => Err(refused("`paper` is the only one".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_tables_are_there() {
        let paper = Preset::named("paper").unwrap();
        let names =
            ["helpful", "harmless", "humor", "expert", "informative", "creative", "preliminary", "concise", "factual"];
        for name in names {
            let alone = |preference: &&Preference| preference.weights().map(|(name, _)| name).eq([name]);
            assert!(paper.preferences.iter().any(|preference| alone(&preference)), "{name}");
        }
        assert_eq!((paper.betas.first(), paper.betas.last()), (Some(&0.25), Some(&1.5)));
        assert!(Preset::named("other").unwrap_err().to_string().contains("`paper`"));
    }
}
