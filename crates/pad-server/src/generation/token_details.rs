//! Per-token details a request asks for.

/// What is reported of each token beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenDetails {
    /// Why it was chosen.
    pub(crate) trace: bool,
    /// Its log-probability, with those of so many candidates.
    pub(crate) logprobs: Option<usize>,
    /// Report the log-probabilities of end tokens as well.
    pub(crate) end_logprobs: bool,
}
