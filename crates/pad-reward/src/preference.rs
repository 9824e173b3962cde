//! A user's preference, as a request states it and as the lanes need it.

use pad_decode::counts;

use crate::error::RewardError;
use crate::manifest::Manifest;

/// A preference as it came with a request; nothing is checked yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PreferenceInput {
    /// None given: the reward model's default.
    #[default]
    Absent,
    /// Weights by name of dimension; dimensions left out weigh 0.
    Named(Vec<(String, f64)>),
    /// One weight per dimension, in the manifest's order.
    Ordered(Vec<f64>),
    /// A principle in plain words, which need not be one of the manifest's.
    Principle(String),
}

/// A preference that fits the reward model.
#[derive(Clone, Debug, PartialEq)]
pub enum Preference {
    /// One finite weight per dimension, in the manifest's order.
    Weights(Vec<f32>),
    /// A principle in plain words, of weight 1; not empty.
    Principle(String),
}

impl Preference {
    /// Whether a dimension of the manifest counts in it.
    pub fn weighs(&self, dimension: usize) -> bool {
        self.weight(dimension).is_some()
    }

    /// The weight of a dimension of the manifest that counts in it.
    pub fn weight(&self, dimension: usize) -> Option<f32> {
        match self {
            Self::Weights(weights) => weights.get(dimension).copied().filter(|weight| counts(1.0, *weight)),
            Self::Principle(_) => None,
        }
    }

    /// Fits an input to the manifest's dimensions.
    pub(crate) fn resolve(manifest: &Manifest, input: &PreferenceInput) -> Result<Self, RewardError> {
        match input {
            PreferenceInput::Absent => {
                named(manifest, manifest.preference.iter().map(|(name, weight)| (name.as_str(), *weight)))
            }
            PreferenceInput::Named(weights) => {
                named(manifest, weights.iter().map(|(name, weight)| (name.as_str(), *weight)))
            }
            PreferenceInput::Ordered(weights) => ordered(manifest, weights),
            PreferenceInput::Principle(words) if words.trim().is_empty() => Err(RewardError::EmptyPrinciple),
            PreferenceInput::Principle(words) => Ok(Self::Principle(words.trim().to_owned())),
        }
    }
}

fn named<'a>(manifest: &Manifest, weights: impl Iterator<Item = (&'a str, f64)>) -> Result<Preference, RewardError> {
    let mut resolved = vec![None; manifest.dimensions.len()];
    for (name, weight) in weights {
        let index = manifest
            .dimensions
            .iter()
            .position(|d| d.name == name)
            .ok_or_else(|| RewardError::UnknownDimension { name: name.to_owned(), known: manifest.names() })?;
        if resolved[index].replace(checked(manifest, index, weight)?).is_some() {
            return Err(RewardError::Repeated(name.to_owned()));
        }
    }
    Ok(Preference::Weights(resolved.into_iter().map(|weight| weight.unwrap_or(0.0)).collect()))
}

fn ordered(manifest: &Manifest, weights: &[f64]) -> Result<Preference, RewardError> {
    let expected = manifest.dimensions.len();
    if weights.len() != expected {
        return Err(RewardError::Length { given: weights.len(), expected, known: manifest.names() });
    }
    let weights: Result<_, _> =
        weights.iter().enumerate().map(|(index, weight)| checked(manifest, index, *weight)).collect();
    Ok(Preference::Weights(weights?))
}

fn checked(manifest: &Manifest, index: usize, weight: f64) -> Result<f32, RewardError> {
    let [low, high] = manifest.weight_range;
    // False for NaN.
    if (low..=high).contains(&weight) {
        Ok(weight as f32)
    } else {
        let name = manifest.dimensions[index].name.clone();
        Err(RewardError::Weight { name, weight, low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::from_toml(
            r#"
            kind = "prompted"
            preference = { concise = 0.5 }
            dimensions = [
                { name = "humor", principle = "humor" },
                { name = "concise", principle = "conciseness" },
            ]
            "#,
        )
        .unwrap()
    }

    fn resolve(input: &PreferenceInput) -> Result<Preference, RewardError> {
        Preference::resolve(&manifest(), input)
    }

    fn named(weights: &[(&str, f64)]) -> PreferenceInput {
        PreferenceInput::Named(weights.iter().map(|(n, w)| ((*n).to_owned(), *w)).collect())
    }

    /// The message with which an input is refused.
    fn refused(input: &PreferenceInput) -> String {
        let error = resolve(input).unwrap_err();
        assert_eq!(error.param(), Some("preference"));
        error.to_string()
    }

    #[test]
    fn names_find_their_places() {
        assert_eq!(resolve(&named(&[("concise", -1.5)])).unwrap(), Preference::Weights(vec![0.0, -1.5]));
        let both = named(&[("concise", 2.0), ("humor", -2.0)]);
        assert_eq!(resolve(&both).unwrap(), Preference::Weights(vec![-2.0, 2.0]));
    }

    #[test]
    fn an_absent_preference_is_the_manifests() {
        assert_eq!(resolve(&PreferenceInput::Absent).unwrap(), Preference::Weights(vec![0.0, 0.5]));
        // An empty object is a preference: for nothing.
        assert_eq!(resolve(&named(&[])).unwrap(), Preference::Weights(vec![0.0, 0.0]));
    }

    #[test]
    fn an_array_has_the_manifests_order() {
        let ordered = resolve(&PreferenceInput::Ordered(vec![1.0, 0.25])).unwrap();
        assert_eq!(ordered, Preference::Weights(vec![1.0, 0.25]));
        assert!(ordered.weighs(0) && ordered.weighs(1) && !ordered.weighs(2));
    }

    #[test]
    fn a_principle_is_kept_in_its_words() {
        let principle = resolve(&PreferenceInput::Principle(" answer like a pirate\n".into())).unwrap();
        assert_eq!(principle, Preference::Principle("answer like a pirate".into()));
        assert!(!principle.weighs(0));
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let message = refused(&named(&[("humour", 1.0)]));
        assert!(message.contains("`humour`") && message.contains("`humor`, `concise`"), "{message}");
    }

    #[test]
    fn a_repeated_name_is_refused() {
        assert!(refused(&named(&[("humor", 1.0), ("humor", 0.0)])).contains("`humor` is given twice"));
    }

    #[test]
    fn another_length_is_refused() {
        let message = refused(&PreferenceInput::Ordered(vec![1.0]));
        assert!(message.contains("1 weights") && message.contains("2 dimensions"), "{message}");
        refused(&PreferenceInput::Ordered(vec![0.0; 3]));
    }

    #[test]
    fn weights_out_of_range_are_refused() {
        for weight in [2.001, -2.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let message = refused(&PreferenceInput::Ordered(vec![0.0, weight]));
            assert!(message.contains(&format!("`concise` is {weight}; allowed")), "{message}");
            assert!(message.contains("from -2 to 2"), "{message}");
            refused(&named(&[("humor", weight)]));
        }
    }

    #[test]
    fn an_empty_principle_is_refused() {
        assert!(refused(&PreferenceInput::Principle(" \n".into())).contains("principle is empty"));
    }
}
