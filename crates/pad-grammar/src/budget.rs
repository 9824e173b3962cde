//! Limits on the cost of making and following a grammar.

use std::time::Duration;

use llguidance::api::ParserLimits;

/// Stack of a thread that compiles: the compiler calls itself for each level of a schema and for each `$ref`, and some KiB each time.
/// Only what is touched takes memory.
pub(crate) const STACK: usize = 256 << 20;

/// Bounds that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How long a request waits for its grammar.
    pub time: Duration,
    /// Bytes of one grammar, compiled, and as it grows while an answer is written.
    pub memory: usize,
    /// Bytes of the grammars that are kept compiled.
    pub cache: usize,
    /// Grammars that are compiled at once.
    pub threads: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), memory: 64 << 20, cache: 64 << 20, threads: 2 }
    }
}

/// Bounds of the compiler and of each step. Its fuel is about 20,000 to 50,000 in a millisecond.
pub(crate) fn limits() -> ParserLimits {
    ParserLimits {
        max_grammar_size: 200_000,
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 100_000,
        max_items_in_row: 10_000,
        max_lexer_states: 20_000,
        // What is computed in advance has no bound of its states.
        precompute_large_lexemes: false,
        // Errors go to the log, and hold nothing of the answer.
        verbose_errors: false,
    }
}
