//! A dimension: a quality that answers can have more or less of.

use serde::{Deserialize, Serialize};

use crate::error::RewardError;
use crate::guide::Guide;

/// No dimension is called so: beside weights it names a stored profile.
const RESERVED: &str = "profile";

/// A preference dimension: the name that requests use, and the principle that a text-conditioned model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Name in requests, traces and metrics: ASCII letters, digits, `_` and `-`.
    pub name: String,
    /// The instruction for more of it, such as "Answer in one short sentence."; may be empty where the dimension has a trained
    /// head.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub principle: String,
    /// The instruction for less of it: of the lane that weights below 0 use in the prompted kind. In the kind `heads` such weights use the
    /// head of the dimension that has this principle, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opposite: Option<String>,
    /// In the kind `heads`: it has no head, and the base model itself reads its principle in a lane, as in the kind `prompted`. Such
    /// dimensions come after those with heads.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompted: bool,
    /// The language model whose log-probability is the reward, in the kinds `model` and `contrast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<Guide>,
    /// What it is measured against in the kind `contrast`; none for the base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Guide>,
    /// The file of its control vector, in the kind `vector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
    /// What makes weight 1 mean as told: how often its control vector is added at weight 1, or what its head's rewards are multiplied by; none:
    /// 1. Only in the kinds `vector` and `heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// What the dimension means, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Smallest and largest weight at which answers stay on topic, as measured; weights outside are strong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended: Option<[f64; 2]>,
}

impl Dimension {
    /// Refuses a name that cannot stand in a metric's label or be joined with "+", or that means something else in a request.
    pub(crate) fn check_name(&self) -> Result<(), RewardError> {
        if self.name == RESERVED {
            let value = format!("`{RESERVED}`");
            let allowed = "another name: in a request's preference this one names a stored profile";
            return Err(RewardError::manifest("dimensions.name", &value, allowed));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(RewardError::manifest(
                "dimensions.name",
                &format!("`{}`", self.name),
                "ASCII letters, digits, `_` and `-`",
            ));
        }
        Ok(())
    }

    /// Refuses an opposite that says nothing, and a recommended range that is none.
    pub(crate) fn check_values(&self) -> Result<(), RewardError> {
        if self.opposite.as_ref().is_some_and(|words| words.trim().is_empty()) {
            let field = format!("the opposite of dimension `{}`", self.name);
            return Err(RewardError::manifest(&field, "empty", "some words, or no opposite"));
        }
        if self.opposite.as_ref().is_some_and(|words| words.trim() == self.principle.trim()) {
            let field = format!("the opposite of dimension `{}`", self.name);
            return Err(RewardError::manifest(&field, "its principle", "other words, or no opposite"));
        }
        match self.recommended {
            Some(range) => check_range(&format!("the recommended range of dimension `{}`", self.name), range),
            None => Ok(()),
        }
    }

    /// Refuses an empty principle.
    pub(crate) fn check_principle(&self) -> Result<(), RewardError> {
        if self.principle.trim().is_empty() {
            let field = format!("the principle of dimension `{}`", self.name);
            return Err(RewardError::manifest(&field, "empty", "some words"));
        }
        Ok(())
    }

    /// What its vector or its head's rewards are multiplied by.
    pub fn scale(&self) -> f32 {
        self.scale.unwrap_or(1.0)
    }

    /// Refuses a scale that takes the dimension away.
    pub(crate) fn check_scale(&self) -> Result<(), RewardError> {
        let scale = self.scale();
        if scale.is_finite() && scale != 0.0 {
            return Ok(());
        }
        let field = format!("the scale of dimension `{}`", self.name);
        Err(RewardError::manifest(&field, &scale.to_string(), "a finite number, not 0"))
    }

    /// The recommended weights among those that a request may give.
    pub fn recommended_within(&self, [least, most]: [f64; 2]) -> Option<[f64; 2]> {
        self.recommended.map(|[low, high]| [low.max(least), high.min(most)])
    }
}

/// Refuses a range of weights that does not lie around 0.
pub(crate) fn check_range(field: &str, [low, high]: [f64; 2]) -> Result<(), RewardError> {
    // The comparisons are false for NaN.
    if low.is_finite() && high.is_finite() && low <= 0.0 && high >= 0.0 && low < high {
        return Ok(());
    }
    Err(RewardError::manifest(field, &format!("[{low}, {high}]"), "two finite numbers around 0, the lower first"))
}

/// The names in order, for messages: "`a`, `b`".
pub(crate) fn names(dimensions: &[Dimension]) -> String {
    let quoted: Vec<String> = dimensions.iter().map(|d| format!("`{}`", d.name)).collect();
    quoted.join(", ")
}
