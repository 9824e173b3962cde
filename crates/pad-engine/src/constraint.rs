//! A sequence's grammar: which tokens may be chosen next, and when the answer has to end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pad_decode::{Grammar, GrammarError, TokenSet};

/// A grammar that follows a sequence, and what it allows next. End tokens are allowed where the answer may end, and only there.
#[derive(Clone, Debug)]
pub struct Constraint {
    grammar: Box<dyn Grammar>,
    /// Never empty, and never of end tokens alone.
    allowed: TokenSet,
}

impl Constraint {
    /// A grammar before the first token.
    ///
    /// # Errors
    /// If it allows no text.
    pub fn start(mut grammar: Box<dyn Grammar>, end_tokens: &[u32]) -> Result<Self, GrammarError> {
        let allowed = guarded(|| next(&mut *grammar, end_tokens))?;
        let allowed = allowed.ok_or_else(|| GrammarError("it allows no text at all".to_owned()))?;
        Ok(Self { grammar, allowed })
    }

    /// The tokens of which the next is chosen.
    pub fn allowed(&self) -> TokenSet {
        self.allowed.clone()
    }

    /// A token was chosen that ends nothing; false if the answer is complete with it.
    ///
    /// # Errors
    /// If the grammar cannot go on.
    pub fn follow(&mut self, token: u32, end_tokens: &[u32]) -> Result<bool, GrammarError> {
        let grammar = &mut *self.grammar;
        let allowed = guarded(|| {
            grammar.accept(token)?;
            next(grammar, end_tokens)
        })?;
        Ok(allowed.map(|allowed| self.allowed = allowed).is_some())
    }
}

/// A grammar that panics has failed, and so has its sequence: no other one's step is lost with it.
fn guarded<T>(follow: impl FnOnce() -> Result<T, GrammarError>) -> Result<T, GrammarError> {
    catch_unwind(AssertUnwindSafe(follow)).unwrap_or_else(|_| Err(GrammarError("it panicked".to_owned())))
}

/// What may be chosen next; `None` if the answer must end here.
fn next(grammar: &mut dyn Grammar, end_tokens: &[u32]) -> Result<Option<TokenSet>, GrammarError> {
    let next = grammar.allowed()?;
    match (next.tokens.is_empty(), next.end) {
        (true, true) => Ok(None),
        (true, false) => Err(GrammarError("no token may follow, but the answer may not end".to_owned())),
        (false, true) => Ok(Some(next.tokens.with(end_tokens))),
        (false, false) => Ok(Some(next.tokens)),
    }
}
