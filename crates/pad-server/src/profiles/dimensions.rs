//! The dimensions that profiles are learned in: those of the reward model.

use pad_learning::Wording;
use pad_reward::{Dimension, Manifest};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a reward model's features mean. Features of another one cannot be compared with these.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LearnedDimensions {
    /// Names the reward model, the base model and the dimensions in stored choices.
    pub(super) of: String,
    /// In the reward model's order.
    pub(super) names: Vec<String>,
    /// The weights that answers stay on topic with, else all that are allowed.
    pub(super) bounds: Vec<[f64; 2]>,
    pub(super) wordings: Vec<Wording>,
}

impl LearnedDimensions {
    /// Those of a reward model, with this base model.
    pub(super) fn new(manifest: &Manifest, base: &str) -> Self {
        let dimensions = &manifest.dimensions;
        let names: Vec<String> = dimensions.iter().map(|dimension| dimension.name.clone()).collect();
        let bounds = |dimension: &Dimension| {
            dimension.recommended_within(manifest.weight_range).unwrap_or(manifest.weight_range)
        };
        Self {
            of: format!("{} {} on {base}: {}", manifest.kind.name(), digest(manifest), names.join(", ")),
            bounds: dimensions.iter().map(bounds).collect(),
            wordings: dimensions.iter().map(|dimension| wording(dimension, dimensions)).collect(),
            names,
        }
    }
}

/// Stands for what the lanes read: with other words, features are others. (Of trained weights it knows the source, not the contents.)
fn digest(manifest: &Manifest) -> String {
    let words = |dimension: &Dimension| {
        let words = json!([dimension.principle, dimension.opposite]);
        let Dimension { guide, against, vector, scale, .. } = dimension;
        match (guide, vector, scale) {
            (None, None, None) => words,
            _ => json!([words, guide, against, vector, dimension.scale()]),
        }
    };
    let words: Vec<Value> = manifest.dimensions.iter().map(words).collect();
    let read = json!([words, manifest.template(), manifest.turn, manifest.reference(), manifest.source]);
    let digest: [u8; 32] = Sha256::digest(read.to_string()).into();
    let [first, second, third, fourth, ..] = digest;
    format!("{:08x}", u32::from_be_bytes([first, second, third, fourth]))
}

/// Less of a dimension is more of the one whose instruction is its opposite, if there is one.
fn wording(dimension: &Dimension, all: &[Dimension]) -> Wording {
    let plain = Wording::of_name(&dimension.name);
    let opposite =
        |other: &&Dimension| dimension.opposite.as_ref().is_some_and(|opposite| *opposite == other.principle);
    match all.iter().find(opposite) {
        Some(other) => Wording { less: Wording::of_name(&other.name).more, ..plain },
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_of_a_dimension_is_more_of_its_opposite() {
        let manifest = r#"
            kind = "prompted"
            weight_range = [-2, 1.5]
            dimensions = [
                { name = "concise", principle = "Be brief.", opposite = "Be thorough.", recommended = [-2, 2] },
                { name = "detailed", principle = "Be thorough.", opposite = "Be brief." },
                { name = "kind", principle = "Be kind." },
            ]
        "#;
        let manifest = Manifest::from_toml(manifest).expect("a manifest");
        let dimensions = LearnedDimensions::new(&manifest, "m");
        assert!(dimensions.of.starts_with("prompted ") && dimensions.of.ends_with(" on m: concise, detailed, kind"));
        let mut other = manifest.clone();
        other.dimensions[2].principle = "Be very kind.".to_owned();
        assert_ne!(LearnedDimensions::new(&other, "m").of, dimensions.of, "other words have other features");
        other = manifest.clone();
        other.beta = 2.0;
        assert_eq!(LearnedDimensions::new(&other, "m").of, dimensions.of);
        assert_eq!(dimensions.bounds, [[-2.0, 1.5], [-2.0, 1.5], [-2.0, 1.5]]);
        let less: Vec<&str> = dimensions.wordings.iter().map(|wording| wording.less.as_str()).collect();
        assert_eq!(less, ["more detailed", "more concise", "less kind"]);
        assert_eq!(dimensions.wordings[0].more, "more concise");
    }
}
