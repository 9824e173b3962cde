//! What was learned of a user from choices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the choices of a user say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearnedPreference {
    /// What the user prefers, in words: every dimension whose direction is known with a probability of 0.9, the largest first. Empty
    /// if none is.
    pub words: String,
    /// The number of choices that it rests on.
    pub choices: u64,
    /// The weights that requests with this profile have, where no other weight is set.
    pub weights: BTreeMap<String, f64>,
    /// How far the direction of the weights is known: about the cosine to expect between them and those that the user has.
    pub alignment: f64,
    /// How often the user would choose by these weights, of pairs of answers to one prompt: 0.5 is chance.
    pub consistency: f64,
    /// By dimension.
    pub dimensions: BTreeMap<String, LearnedDimension>,
}

/// What is known of one dimension, for features of unit variance: of two answers that differ by one standard deviation in this dimension
/// alone, the one that has more of it is chosen with odds of e to the power of the weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearnedDimension {
    /// The expected weight.
    pub mean: f64,
    /// Its standard deviation: how uncertain it is.
    pub deviation: f64,
}
