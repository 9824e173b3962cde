//! The rule of a request: how strongly to steer, and how to choose.

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
    /// must then bring its `log_sum_exp`.
    Vocabulary,
}

/// How one request chooses its tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Guidance strength; 0 gives the base model's own choice.
    pub beta: f32,
    /// Divides the scores before sampling; 0 (or less) is greedy.
    pub temperature: f32,
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
        Self { beta: 1.0, temperature: 0.0, top_p: 1.0, normalisation: Normalisation::default() }
    }
}
