//! `[engine]`: how much is held and done at once.

use serde::Deserialize;

use super::error::Bad;
use super::size::ByteSize;

/// The engine's sizes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSettings {
    /// Memory of the KV cache.
    pub kv_memory: ByteSize,
    /// Positions of the KV cache; 0: as many as `kv_memory` holds.
    pub kv_positions: usize,
    /// Most prompt tokens read in one step.
    pub token_budget: usize,
    /// Most sequences decoded at once.
    pub max_sequences: usize,
    /// Most sequences that wait.
    pub queue: usize,
}

impl EngineSettings {
    /// Positions of the KV cache when one position takes `bytes` in the model's number format.
    pub fn positions(&self, bytes: usize) -> usize {
        if self.kv_positions > 0 { self.kv_positions } else { self.kv_memory.0 as usize / bytes.max(1) }
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        let memory = self.kv_positions > 0 || self.kv_memory.0 >= 1 << 20;
        Bad::unless(memory, "engine.kv_memory", self.kv_memory.0, "at least 1 MiB, unless kv_positions is set")?;
        Bad::unless(self.token_budget >= 1, "engine.token_budget", self.token_budget, "at least 1")?;
        Bad::unless(self.max_sequences >= 1, "engine.max_sequences", self.max_sequences, "at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_given_or_follow_from_the_memory() {
        let kv_memory = ByteSize(1 << 20);
        let mut settings = EngineSettings { kv_memory, kv_positions: 0, token_budget: 1, max_sequences: 1, queue: 0 };
        assert_eq!(settings.positions(1000), 1048);
        settings.kv_positions = 7;
        assert_eq!(settings.positions(1000), 7);
    }
}
