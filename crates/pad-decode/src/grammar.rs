//! A grammar: which tokens may follow those already chosen.

use std::fmt;

use crate::TokenSet;

/// What may follow.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Allowed {
    /// The tokens that continue the answer; none where it is complete and nothing may be added. No end token is among them.
    pub tokens: TokenSet,
    /// Whether the answer may end here.
    pub end: bool,
}

/// The language of an answer's form, and the state after the tokens so far.
///
/// It follows the chosen tokens of one sequence, and only those: a sequence that has to compute its lanes again keeps its grammar
/// as it is.
pub trait Grammar: fmt::Debug + Send {
    /// What may follow the tokens that were accepted so far.
    ///
    /// # Errors
    /// If that cannot be computed within the bounds of a step.
    fn allowed(&mut self) -> Result<Allowed, GrammarError>;

    /// A token was chosen, which was allowed.
    ///
    /// # Errors
    /// If it was not allowed, or the grammar exceeds its bounds.
    fn accept(&mut self, token: u32) -> Result<(), GrammarError>;

    /// A copy in the same state, for another sequence.
    fn another(&self) -> Box<dyn Grammar>;
}

impl Clone for Box<dyn Grammar> {
    fn clone(&self) -> Self {
        self.another()
    }
}

/// Why a grammar cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrammarError(pub String);

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the grammar cannot go on: {}", self.0)
    }
}

impl std::error::Error for GrammarError {}
