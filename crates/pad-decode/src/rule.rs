//! The rule of a request: how strongly to steer, and how to choose.

use crate::guards::Guards;
use crate::penalties::Penalties;

/// Over which tokens a log-softmax is taken.
///
/// With the base model as the reference both readings lead to the same choice, because they
/// differ by constants; they differ in the log-probabilities and rewards that are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalisation {
    /// Over the k candidates only, as the released code of PAD does.
    #[default]
    Candidates,
    /// Over the whole vocabulary, as the paper writes it. Each [`Readout`](crate::Readout)
    /// must then have its `log_sum_exp`.
    Vocabulary,
}

/// How one request chooses its tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Changes of the base's logits, made before its candidates are taken.
    pub penalties: Penalties,
    /// End tokens are not candidates until this many tokens were generated; `usize::MAX`: never.
    pub min_tokens: usize,
    /// Guidance strength; 0 gives the base model's own choice.
    pub beta: f32,
    /// Limits of the guidance.
    pub guards: Guards,
    /// Divides the scores before sampling; 0 (or less) is greedy.
    pub temperature: f32,
    /// Sample from the candidates that have at least this share of the best one's probability; 0 keeps all.
    pub min_p: f32,
    /// Sample from this many candidates, those with the best scores; 0 keeps all. The number of candidates itself is set elsewhere.
    pub top_k: usize,
    /// Sample from the smallest set of candidates whose probability reaches this; 1 keeps all.
    pub top_p: f32,
    /// Over which tokens log-probabilities are normalised.
    pub normalisation: Normalisation,
}

impl Rule {
    /// Whether the best score wins, without a draw.
    pub fn is_greedy(&self) -> bool {
        self.temperature <= 0.0
    }
}

impl Default for Rule {
    /// The paper's setting: beta 1, greedy, normalised over the candidates.
    fn default() -> Self {
        Self {
            penalties: Penalties::default(),
            min_tokens: 0,
            beta: 1.0,
            guards: Guards::default(),
            temperature: 0.0,
            min_p: 0.0,
            top_k: 0,
            top_p: 1.0,
            normalisation: Normalisation::default(),
        }
    }
}
