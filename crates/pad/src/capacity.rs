//! How many positions the KV cache has and how long a sequence may be: what the settings say, else what the model needs and the memory
//! allows.

use anyhow::ensure;
use pad_model::BLOCK;

use crate::settings::{EngineSettings, KvDtype};

/// The KV cache takes as much by default, if there is twice as much memory: many short sequences side by side.
const USUAL_BYTES: usize = 1 << 30;

/// The part of the available memory that the KV cache takes at most by default.
const PART: usize = 2;

/// What the models need.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Bytes of one position in all sets of weights.
    pub bytes_per_position: usize,
    /// The longest sequence that the models can take.
    pub longest: usize,
    /// Lanes of a usual steered request that share a cache.
    pub lanes: usize,
}

/// The sizes that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Blocks of the KV cache of each set of weights.
    pub blocks: usize,
    /// Longest sequence in tokens.
    pub context: usize,
    /// Bytes of the cache, all sets of weights together.
    bytes: usize,
    /// How it keeps keys and values.
    kv_dtype: KvDtype,
    /// What bounds the context.
    bound: Bound,
}

/// What bounds the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Model,
    Setting,
    /// The cache; without it the context would be `asked`.
    Cache {
        why: &'static str,
        asked: usize,
    },
}

impl Capacity {
    /// The sizes where `context` is what the settings say of it (0: nothing), and `available` bytes of memory can still be taken (none:
    /// not known).
    ///
    /// # Errors
    /// If the cache has not room for one block.
    pub fn of(engine: &EngineSettings, context: usize, demand: Demand, available: Option<u64>) -> anyhow::Result<Self> {
        let Demand { bytes_per_position, longest, lanes } = demand;
        let bytes = bytes_per_position.max(1);
        let asked = if context == 0 { longest } else { context.min(longest) };
        let set = engine.positions(bytes);
        let positions = set.unwrap_or_else(|| {
            let wanted = (USUAL_BYTES / bytes).max(asked.next_multiple_of(BLOCK).saturating_mul(lanes));
            let allowed = available.map_or(USUAL_BYTES, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX) / PART);
            wanted.min(allowed / bytes)
        });
        let blocks = positions / BLOCK;
        ensure!(
            blocks > 0,
            "engine.kv_memory is too small{}: one block of {BLOCK} positions takes {} bytes",
            if set.is_none() { ", which is half of the available memory" } else { "" },
            bytes * BLOCK
        );
        let bound = if blocks * BLOCK < asked {
            let why = match (set, available) {
                (None, Some(_)) => "all that fits half of the available memory",
                _ => "all that the KV cache holds",
            };
            Bound::Cache { why, asked }
        } else if asked < longest {
            Bound::Setting
        } else {
            Bound::Model
        };
        let context = asked.min(blocks * BLOCK);
        let bytes = blocks.saturating_mul(BLOCK).saturating_mul(bytes);
        Ok(Self { blocks, context, bytes, kv_dtype: engine.kv_dtype, bound })
    }

    /// How long a sequence may be, and what bounds it.
    pub fn context_in_words(&self) -> String {
        let why = match self.bound {
            Bound::Model => "the model's limit".to_owned(),
            Bound::Setting => "as model.context says".to_owned(),
            Bound::Cache { why, asked } => format!("{why}; {asked} without that limit"),
        };
        format!("{} tokens, {why}", self.context)
    }

    /// How large the cache is.
    pub fn cache_in_words(&self) -> String {
        let bits = match self.kv_dtype {
            KvDtype::Auto => "",
            KvDtype::Q8 => ", in 8 bits",
        };
        format!("{} MiB for {} tokens{bits}, all lanes together", self.bytes >> 20, self.blocks * BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Layer, Settings};

    const MIB: u64 = 1 << 20;

    fn of(changes: &[(&str, &str)], longest: usize, available: Option<u64>) -> anyhow::Result<Capacity> {
        let variables = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::load(None, &Environment::new(variables), Layer::default()).unwrap();
        let demand = Demand { bytes_per_position: 1 << 10, longest, lanes: 2 };
        Capacity::of(&settings.engine, settings.model.context, demand, available)
    }

    #[test]
    fn by_default_what_the_model_needs_and_the_memory_allows() {
        let said = |longest, mib: u64| {
            let capacity = of(&[], longest, Some(mib * MIB)).unwrap();
            (capacity.context_in_words(), capacity.cache_in_words())
        };
        let words = |context: &str, cache: &str| (context.to_owned(), format!("{cache} tokens, all lanes together"));
        assert_eq!(said(8192, 4096), words("8192 tokens, the model's limit", "1024 MiB for 1048576"));
        // Two lanes of the longest sequence.
        assert_eq!(said(1 << 20, 8192), words("1048576 tokens, the model's limit", "2048 MiB for 2097152"));
        assert_eq!(
            said(1 << 20, 512),
            words(
                "262144 tokens, all that fits half of the available memory; 1048576 without that limit",
                "256 MiB for 262144"
            )
        );
        assert_eq!(of(&[], 8192, None).unwrap(), of(&[], 8192, Some(2048 * MIB)).unwrap(), "not known");
        let error = of(&[], 8192, Some(31 << 10)).unwrap_err().to_string();
        assert!(error.contains("half of the available memory: one block of 16 positions takes 16384 bytes"), "{error}");
    }

    #[test]
    fn eight_bits_are_said() {
        let capacity = of(&[("PAD_ENGINE__KV_DTYPE", "q8"), ("PAD_ENGINE__KV_MEMORY", "1 MiB")], 8192, None).unwrap();
        assert_eq!(capacity.cache_in_words(), "1 MiB for 1024 tokens, in 8 bits, all lanes together");
    }

    #[test]
    fn what_is_set_holds_whatever_the_memory() {
        let cache = of(&[("PAD_ENGINE__KV_MEMORY", "64 MiB")], 8192, Some(MIB)).unwrap();
        assert_eq!((cache.context, cache.blocks), (8192, 4096));
        let small = of(&[("PAD_ENGINE__KV_POSITIONS", "100")], 8192, None).unwrap();
        assert_eq!((small.context, small.blocks), (96, 6));
        assert_eq!(small.context_in_words(), "96 tokens, all that the KV cache holds; 8192 without that limit");
        let context = of(&[("PAD_MODEL__CONTEXT", "500")], 8192, None).unwrap();
        assert_eq!(context.context_in_words(), "500 tokens, as model.context says");
        let more = of(&[("PAD_MODEL__CONTEXT", "9000")], 8192, None).unwrap();
        assert_eq!(more.context_in_words(), "8192 tokens, the model's limit");
        assert!(of(&[("PAD_ENGINE__KV_MEMORY", "1 MiB")], 8192, None).is_ok());
    }
}
