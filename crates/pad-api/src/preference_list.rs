//! The preferences that a request may have: the reward model's dimensions and the range of their weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CandidateLanes, ObjectKind};

/// The dimensions of `preference`, in the order of its array form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "object": "list", "kind": "prompted", "learns": true,
    "data": [{
        "name": "concise", "description": "Says it briefly.", "principle": "Answer in one short sentence.",
        "opposite": "Answer at length, with every detail.", "weight": {"minimum": -2.0, "maximum": 2.0},
        "recommended": {"minimum": -2.0, "maximum": 1.5}, "strong": [{"minimum": 1.5, "maximum": 2.0}]
    }],
    "default": {"concise": 0.0},
    "beta": {"default": 1.0, "minimum": 0.0, "maximum": 4.0}, "top_k": {"default": 40, "minimum": 1, "maximum": 100},
    "candidates": "base",
    "guards": {
        "plausibility": {"default": 0.0, "minimum": 0.0, "maximum": 1.0}, "loop_guard": {"default": 0, "minimum": 0, "maximum": 64},
        "max_kl": {"default": 1000.0, "minimum": 0.0, "maximum": 1000.0},
        "guide_tokens": {"default": 0, "minimum": 0, "maximum": 16_777_216}
    }
}))]
pub struct PreferenceList {
    /// Always `list`.
    pub object: ObjectKind,
    /// The reward model's kind: `prompted`, `checkpoint`, `heads`, `model`, `contrast`, `vector`, `bilinear`, or `none` without steering.
    pub kind: String,
    /// Whether profiles can be learned from choices here: they are stored, and the reward model tells the dimensions apart.
    #[serde(default)]
    pub learns: bool,
    /// The dimensions.
    pub data: Vec<DimensionInfo>,
    /// The weights of a request without a preference.
    pub default: BTreeMap<String, f64>,
    /// Guidance strength.
    pub beta: GuidanceDefaults,
    /// Number of candidates.
    pub top_k: CountDefaults,
    /// Whose best tokens are the candidates where a request does not say.
    #[serde(default)]
    #[schema(required)]
    pub candidates: CandidateLanes,
    /// What holds steering back where a request does not say.
    // Always sent; a client may read the list of an older server, which does not tell it.
    #[schema(required, nullable = false)]
    pub guards: Option<GuardDefaults>,
}

/// A preference dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DimensionInfo {
    /// The name to use in `preference`.
    pub name: String,
    /// Its description.
    #[schema(required)]
    pub description: Option<String>,
    /// The principle that the reward model reads.
    pub principle: String,
    /// The instruction for weights below 0; `null`: such weights steer away from the principle.
    #[schema(required)]
    pub opposite: Option<String>,
    /// The allowed weights.
    pub weight: NumberRange,
    /// The range of weights in which answers stay on topic; `null` if it was not measured.
    #[schema(required)]
    pub recommended: Option<NumberRange>,
    /// The allowed weights outside of it: the style is stronger, and answers lose content more often.
    #[serde(default)]
    #[schema(required)]
    pub strong: Vec<NumberRange>,
}

/// An inclusive range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberRange {
    /// The smallest allowed value.
    pub minimum: f64,
    /// The largest allowed value.
    pub maximum: f64,
}

impl NumberRange {
    /// The parts of this range outside of another one.
    #[must_use]
    pub fn beyond(self, other: Self) -> Vec<Self> {
        let below = Self { minimum: self.minimum, maximum: other.minimum };
        let above = Self { minimum: other.maximum, maximum: self.maximum };
        [below, above].into_iter().filter(|range| range.minimum < range.maximum).collect()
    }
}

/// A number of guidance, such as its strength: the default and the allowed range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuidanceDefaults {
    /// The default.
    pub default: f64,
    /// The smallest allowed value.
    pub minimum: f64,
    /// The largest allowed value.
    pub maximum: f64,
}

/// A number of candidates or of tokens: the default and the allowed range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountDefaults {
    /// The default.
    pub default: u64,
    /// The smallest allowed value.
    pub minimum: u64,
    /// The largest allowed value.
    pub maximum: u64,
}

/// The guards of `pad`, each with its default and its range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardDefaults {
    /// `pad.plausibility`.
    pub plausibility: GuidanceDefaults,
    /// `pad.loop_guard`, in tokens.
    pub loop_guard: CountDefaults,
    /// `pad.max_kl`, in nats per token; 1000 is no limit.
    pub max_kl: GuidanceDefaults,
    /// `pad.guide_tokens`.
    pub guide_tokens: CountDefaults,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(minimum: f64, maximum: f64) -> NumberRange {
        NumberRange { minimum, maximum }
    }

    #[test]
    fn what_lies_beyond_a_range_lies_on_both_sides() {
        let all = range(-2.0, 2.0);
        assert_eq!(all.beyond(range(-1.0, 1.5)), [range(-2.0, -1.0), range(1.5, 2.0)]);
        assert_eq!(all.beyond(range(-2.0, 1.0)), [range(1.0, 2.0)]);
        assert_eq!(all.beyond(all), []);
    }

    #[test]
    fn the_list_of_a_server_that_tells_no_guards_is_read() {
        let told = r#"{"object": "list", "kind": "heads", "data": [], "default": {},
            "beta": {"default": 1, "minimum": 0, "maximum": 4}, "top_k": {"default": 40, "minimum": 1, "maximum": 100}}"#;
        let list: PreferenceList = serde_json::from_str(told).unwrap();
        assert_eq!((list.guards, list.candidates, list.learns), (None, CandidateLanes::Base, false));
    }

    #[test]
    fn what_is_not_told_is_not_there() {
        let told = r#"{"name": "a", "description": null, "principle": "b", "weight": {"minimum": -1, "maximum": 1}}"#;
        let info: DimensionInfo = serde_json::from_str(told).unwrap();
        assert!(info.opposite.is_none() && info.recommended.is_none() && info.strong.is_empty());
    }
}
