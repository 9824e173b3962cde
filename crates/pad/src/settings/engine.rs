//! `[engine]`: limits on memory and concurrency.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::error::Bad;
use super::size::ByteSize;

/// The engine's sizes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSettings {
    /// Memory of the KV cache; 0: what the model needs and the memory allows.
    pub kv_memory: ByteSize,
    /// Positions of the KV cache; 0: as many as `kv_memory` holds.
    pub kv_positions: usize,
    /// How keys and values are kept.
    pub kv_dtype: KvDtype,
    /// Rows per step over all lanes: decoding goes first, prompts share the rest.
    pub token_budget: usize,
    /// Most sequences decoded at once.
    pub max_sequences: usize,
    /// Most sequences that are decoded or wait, together.
    pub queue: usize,
    /// Whether keys find each other's cached prompts.
    pub shared_prefix_cache: bool,
}

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KvDtype {
    /// Half precision, or single where all is.
    Auto,
    /// 8 bits, a scale for each head's key and value at each position.
    Q8,
}

impl KvDtype {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Q8 => "q8",
        }
    }
}

impl EngineSettings {
    /// Positions of the KV cache when one position takes `bytes` in the model's number format; none if the settings do not say.
    pub fn positions(&self, bytes: usize) -> Option<usize> {
        match (self.kv_positions, self.kv_memory.0) {
            (0, 0) => None,
            (0, memory) => Some(memory as usize / bytes.max(1)),
            (positions, _) => Some(positions),
        }
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        let Self { kv_memory, kv_positions, token_budget, max_sequences, queue, .. } = *self;
        Bad::unless(
            kv_memory.0 == 0 || KV_MEMORY.contains(&kv_memory.0) || kv_positions > 0,
            "engine.kv_memory",
            kv_memory.0,
            KV_MEMORY_TEXT,
        )?;
        let positions = kv_positions == 0 || KV_POSITIONS.contains(&kv_positions);
        Bad::unless(positions, "engine.kv_positions", kv_positions, "0, or 16 to 1073741824")?;
        Bad::unless(TOKEN_BUDGET.contains(&token_budget), "engine.token_budget", token_budget, "1 to 1048576")?;
        Bad::unless(MAX_SEQUENCES.contains(&max_sequences), "engine.max_sequences", max_sequences, "1 to 65536")?;
        Bad::unless(QUEUE.contains(&queue), "engine.queue", queue, "1 to 1048576")
    }
}

/// Bytes of the KV cache, where its positions are not set.
const KV_MEMORY: RangeInclusive<u64> = 1 << 20..=64 << 40;
const KV_MEMORY_TEXT: &str = "0, or 1 MiB to 65536 GiB, unless kv_positions is set";
/// From one block on.
const KV_POSITIONS: RangeInclusive<usize> = 16..=1 << 30;
const TOKEN_BUDGET: RangeInclusive<usize> = 1..=1 << 20;
const MAX_SEQUENCES: RangeInclusive<usize> = 1..=1 << 16;
const QUEUE: RangeInclusive<usize> = 1..=1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_given_or_follow_from_the_memory() {
        let kv_memory = ByteSize(1 << 20);
        let mut settings = EngineSettings {
            kv_memory,
            kv_positions: 0,
            kv_dtype: KvDtype::Auto,
            token_budget: 1,
            max_sequences: 1,
            queue: 1,
            shared_prefix_cache: false,
        };
        assert_eq!(settings.positions(1000), Some(1048));
        settings.kv_positions = 7;
        assert_eq!(settings.positions(1000), Some(7));
        (settings.kv_positions, settings.kv_memory) = (0, ByteSize(0));
        assert_eq!(settings.positions(1000), None);
    }

    type Set = fn(&mut EngineSettings, usize);

    #[test]
    fn every_number_has_a_range() {
        let good = EngineSettings {
            kv_memory: ByteSize(1 << 30),
            kv_positions: 0,
            kv_dtype: KvDtype::Auto,
            token_budget: 128,
            max_sequences: 64,
            queue: 256,
            shared_prefix_cache: false,
        };
        assert_eq!(good.check(), Ok(()));
        let numbers: [(&str, Set, &[usize], &[usize]); 5] = [
            ("kv_memory", |s, n| s.kv_memory = ByteSize(n as u64), &[1, 1 << 19, usize::MAX], &[0, 1 << 20, 64 << 40]),
            ("kv_positions", |s, n| s.kv_positions = n, &[1, 15, (1 << 30) + 1, usize::MAX], &[0, 16, 1 << 30]),
            ("token_budget", |s, n| s.token_budget = n, &[0, (1 << 20) + 1, usize::MAX], &[1, 1 << 20]),
            ("max_sequences", |s, n| s.max_sequences = n, &[0, (1 << 16) + 1, usize::MAX], &[1, 1 << 16]),
            ("queue", |s, n| s.queue = n, &[0, (1 << 20) + 1, usize::MAX], &[1, 1 << 20]),
        ];
        for (name, set, refused, taken) in numbers {
            let checked = |number: usize| {
                let mut settings = good.clone();
                set(&mut settings, number);
                settings.check()
            };
            assert!(refused.iter().all(|number| checked(*number).is_err()), "{name}");
            assert!(taken.iter().all(|number| checked(*number).is_ok()), "{name}");
        }
    }
}
