//! What can be wrong with choices and priors.

/// Every error of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LearningError {
    /// A vector has another length than there are dimensions.
    #[error("{what} has {given} numbers; allowed: {expected}, one for each dimension")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Its length.
        given: usize,
        /// The number of dimensions.
        expected: usize,
    },
    /// A number that is none.
    #[error("{what} has {given}; allowed: finite numbers")]
    NotFinite {
        /// Where it stands.
        what: &'static str,
        /// The number.
        given: f64,
    },
    /// A choice among nothing.
    #[error("a choice has no other answers; allowed: one or more")]
    NoOthers,
    /// A covariance that is none.
    #[error("the covariance of the prior is not symmetric and positive definite")]
    NotDefinite,
}
