//! Over which tokens log-probabilities are normalised.

use serde::{Deserialize, Serialize};

/// Over which tokens log-probabilities are normalised; see [`pad_decode::Normalisation`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// The kind's own: the vocabulary for autoregressive reward models, else the candidates.
    #[default]
    Auto,
    /// Over the k candidates.
    Candidates,
    /// Over the whole vocabulary.
    Vocabulary,
}
