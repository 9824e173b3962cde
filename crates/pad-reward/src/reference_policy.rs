//! What rewards are measured against.

use serde::{Deserialize, Serialize};

/// What rewards are measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferencePolicy {
    /// The kind's own: nothing for autoregressive reward models, else the base lane.
    #[default]
    Auto,
    /// The base lane (the released code).
    Base,
    /// For trained heads: the backbone without adapter and heads (the paper); the base lane again where backbone and prompt are the
    /// base's own.
    Backbone,
    /// For prompted dimensions: a second lane whose prompt contains the dimension's opposite; the base lane for a dimension without one.
    Opposite,
    /// Nothing: a reward is the lane's own log-probability. For autoregressive reward models: a language model per dimension, or one for all.
    None,
}

impl ReferencePolicy {
    /// Its name in manifests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Base => "base",
            Self::Backbone => "backbone",
            Self::Opposite => "opposite",
            Self::None => "none",
        }
    }
}
