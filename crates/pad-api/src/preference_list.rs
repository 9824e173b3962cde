//! The preferences that a request may have: the reward model's dimensions and the range of their weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ObjectKind;

/// The dimensions of `preference`, in the order of its array form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "object": "list", "kind": "prompted",
    "data": [{"name": "concise", "description": null, "principle": "answer in one short sentence", "weight": {"minimum": -2.0, "maximum": 2.0}}],
    "default": {"concise": 0.0},
    "beta": {"default": 1.0, "minimum": 0.0, "maximum": 4.0}, "top_k": {"default": 10, "minimum": 1, "maximum": 100}
}))]
pub struct PreferenceList {
    /// Always `list`.
    pub object: ObjectKind,
    /// The reward model's kind: `prompted`, `checkpoint`, `heads`, or `none` if the server has no steering.
    pub kind: String,
    /// The dimensions.
    pub data: Vec<DimensionInfo>,
    /// The weights of a request without a preference.
    pub default: BTreeMap<String, f64>,
    /// Guidance strength.
    pub beta: GuidanceDefaults,
    /// Number of candidates.
    pub top_k: TopKRange,
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
    /// The allowed weights.
    pub weight: NumberRange,
}

/// An inclusive range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberRange {
    /// The smallest allowed value.
    pub minimum: f64,
    /// The largest allowed value.
    pub maximum: f64,
}

/// Guidance strength: the default and the allowed range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuidanceDefaults {
    /// The default.
    pub default: f64,
    /// The smallest allowed value.
    pub minimum: f64,
    /// The largest allowed value.
    pub maximum: f64,
}

/// Number of candidates: the default and the allowed range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopKRange {
    /// The default.
    pub default: u64,
    /// The smallest allowed value.
    pub minimum: u64,
    /// The largest allowed value.
    pub maximum: u64,
}
