//! The launches that find the k best.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};

/// The k best logits of each row, and log sum exp of all and of those among which they were taken.
#[derive(Clone, Copy, Debug)]
pub struct BestLaunch {
    /// `[rows, vocabulary]` in single precision.
    pub logits: Address,
    /// `[masks, words]`, `u32`: token t is allowed where bit t % 32 of word t / 32 is set.
    pub masks: Address,
    /// `[rows]`, `i32`: the mask of each row, -1 for none; no address: none at all.
    pub mask_of: Address,
    /// Room for `[rows, BestLaunch::kept]`, `u64`; none where that is 0.
    pub keys: Address,
    /// Room for `[rows, BestLaunch::blocks, 4]` in single precision; none: no sums are wanted.
    pub mass: Address,
    /// `[rows, k]`, `u32`: higher logits first, of equal ones the lower token; `u32::MAX` where fewer are allowed.
    pub tokens: Address,
    /// `[rows, k]` in single precision: their logits.
    pub best: Address,
    /// `[rows, 2]` in single precision; none: no sums are wanted.
    pub log_sums: Address,
    /// Rows.
    pub rows: usize,
    /// Tokens.
    pub vocabulary: usize,
    /// Words of a mask.
    pub words: usize,
    /// How many are wanted.
    pub k: usize,
}

impl BestLaunch {
    /// Keys that a block of threads sorts.
    const KEYS: usize = 2048;

    /// The largest k.
    pub const MOST: usize = Self::KEYS / 4;

    /// Blocks of a row in the first round.
    pub fn blocks(vocabulary: usize) -> usize {
        vocabulary.div_ceil(Self::KEYS)
    }

    /// Keys of a row that all rounds but the last keep, together.
    pub fn kept(vocabulary: usize, k: usize) -> usize {
        let (mut count, mut kept) = (vocabulary, 0);
        while count > Self::KEYS {
            count = Self::blocks(count) * k;
            kept += count;
        }
        kept
    }

    /// The launches, to be run one after the other.
    ///
    /// # Errors
    /// If k is out of range, or a size is.
    pub fn launches(&self) -> Result<Vec<Launch>> {
        if !(1..=Self::MOST).contains(&self.k) {
            bail!("best: k is {}; 1 to {} is allowed", self.k, Self::MOST)
        }
        if (self.mass == Address::NONE) != (self.log_sums == Address::NONE) {
            bail!("best: room for sums and the place for them go together")
        }
        let (mut launches, mut count, mut given, mut kept) = (Vec::new(), self.vocabulary, Address::NONE, self.keys);
        loop {
            let (blocks, last) = (Self::blocks(count), count <= Self::KEYS);
            let only_last = |address| if last { address } else { Address::NONE };
            let addresses = [
                self.logits,
                self.masks,
                self.mask_of,
                given,
                kept,
                self.mass,
                only_last(self.tokens),
                only_last(self.best),
                only_last(self.log_sums),
            ];
            launches.push(
                Arguments::new(&addresses)
                    .sizes(&[("count", count), ("words", self.words), ("k", self.k)])?
                    .sizes(&[("blocks", Self::blocks(self.vocabulary))])?
                    .launch("best_tokens", [blocks, self.rows, 1], 256)?,
            );
            if last {
                return Ok(launches);
            }
            count = blocks * self.k;
            given = kept;
            kept = kept.plus(self.rows * count * size_of::<u64>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_shrink_to_one_block() {
        for (vocabulary, k, rounds) in
            [(2048, 100, 1), (2049, 10, 2), (128_256, 10, 2), (128_256, 100, 3), (262_144, 512, 5)]
        {
            let none = Address::NONE;
            let launch = BestLaunch {
                logits: none,
                masks: none,
                mask_of: none,
                keys: none,
                mass: none,
                tokens: none,
                best: none,
                log_sums: none,
                rows: 3,
                vocabulary,
                words: 0,
                k,
            };
            assert_eq!(launch.launches().unwrap().len(), rounds, "{vocabulary} {k}");
            assert_eq!(BestLaunch::kept(vocabulary, k) == 0, rounds == 1);
        }
    }
}
