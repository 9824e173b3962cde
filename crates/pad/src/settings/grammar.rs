//! `[grammar]`: limits on the cost of grammars.

use std::time::Duration;

use pad_grammar::Budget;
use serde::Deserialize;

use super::error::Bad;
use super::size::ByteSize;

/// The cost of grammars.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrammarSettings {
    /// How long a request waits for its grammar.
    pub seconds: u64,
    /// Memory of one grammar.
    pub memory: ByteSize,
    /// Memory of those that are kept.
    pub cache_memory: ByteSize,
    /// Most that are compiled at once.
    pub threads: usize,
}

impl GrammarSettings {
    /// The same for the compiler.
    pub fn budget(&self) -> Budget {
        Budget {
            time: Duration::from_secs(self.seconds),
            memory: self.memory.0 as usize,
            cache: self.cache_memory.0 as usize,
            threads: self.threads,
        }
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        Bad::unless((1..=3600).contains(&self.seconds), "grammar.seconds", self.seconds, "1 to 3600")?;
        Bad::unless(self.memory.0 >= 1 << 20, "grammar.memory", self.memory.0, "at least 1 MiB")?;
        Bad::unless((1..=64).contains(&self.threads), "grammar.threads", self.threads, "1 to 64")
    }
}
