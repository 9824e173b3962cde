//! A grammar in the course of an answer.

use std::fmt;

use llguidance::Matcher;
use pad_decode::{Allowed, Grammar, GrammarError, TokenSet};

/// The grammar of one sequence.
pub struct ShapeGrammar(Matcher);

impl ShapeGrammar {
    /// A grammar before the first token.
    pub fn new(matcher: Matcher) -> Self {
        Self(matcher)
    }

    /// What went wrong, without a word of the answer or of the schema: it goes to the log.
    fn broken(&self) -> GrammarError {
        GrammarError(format!("it stopped with {}", self.0.stop_reason()))
    }
}

impl Grammar for ShapeGrammar {
    fn allowed(&mut self) -> Result<Allowed, GrammarError> {
        if self.0.is_stopped() && self.0.stop_reason().is_ok() {
            return Ok(Allowed { tokens: TokenSet::default(), end: true });
        }
        let (Ok(mask), Ok(end)) = (self.0.compute_mask(), self.0.is_accepting()) else { return Err(self.broken()) };
        Ok(Allowed { tokens: TokenSet::from_words(mask.as_slice()), end })
    }

    fn accept(&mut self, token: u32) -> Result<(), GrammarError> {
        self.0.consume_token(token).map_err(|_| self.broken())
    }

    /// What it has learnt is copied, not shared: what goes wrong in one sequence is no other's business.
    fn another(&self) -> Box<dyn Grammar> {
        Box::new(Self(self.0.deep_clone()))
    }
}

impl fmt::Debug for ShapeGrammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShapeGrammar").field(&self.0.stop_reason()).finish()
    }
}
