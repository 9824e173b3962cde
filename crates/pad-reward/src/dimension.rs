//! A dimension: a quality that answers can have more or less of.

use serde::{Deserialize, Serialize};

use crate::error::RewardError;

/// A preference dimension: the name that requests use, and the principle that a text-conditioned model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Name in requests, traces and metrics: ASCII letters, digits, `_` and `-`.
    pub name: String,
    /// The words put before the instruction, such as "helpfulness"; may be empty where the dimension has a trained head.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub principle: String,
    /// What the dimension means, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Dimension {
    /// Refuses a name that cannot stand in a metric's label or be joined with "+".
    pub(crate) fn check_name(&self) -> Result<(), RewardError> {
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

    /// Refuses an empty principle.
    pub(crate) fn check_principle(&self) -> Result<(), RewardError> {
        if self.principle.trim().is_empty() {
            let field = format!("the principle of dimension `{}`", self.name);
            return Err(RewardError::manifest(&field, "empty", "some words"));
        }
        Ok(())
    }
}

/// The names in order, for messages: "`a`, `b`".
pub(crate) fn names(dimensions: &[Dimension]) -> String {
    let quoted: Vec<String> = dimensions.iter().map(|d| format!("`{}`", d.name)).collect();
    quoted.join(", ")
}
