//! The launches of attention over blocks.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};
use super::stored::CellType;
use crate::{AttentionRule, BLOCK, KvLayout};

/// Attention of rows, each over the blocks of its lane.
#[derive(Clone, Copy, Debug)]
pub struct AttentionLaunch {
    /// The type of `cache`.
    pub cell: CellType,
    /// `[rows, query_stride]` in single precision, rotated and scaled.
    pub query: Address,
    /// `[blocks, block_len]`, as [`KvLayout`] says; holds each row's own key and value already.
    pub cache: Address,
    /// `[lanes, max_blocks]`, `u32`.
    pub tables: Address,
    /// `[rows]`, `u32`: the lane of each row.
    pub lanes: Address,
    /// `[rows]`, `u32`.
    pub positions: Address,
    /// Room for `[rows, heads, parts, head_dim]`; none where there is one part.
    pub partial: Address,
    /// Room for `[rows, heads, parts, 2]`; the same.
    pub mass: Address,
    /// `[rows, heads * head_dim]`.
    pub out: Address,
    /// Rows.
    pub rows: usize,
    /// Heads.
    pub layout: KvLayout,
    /// Window and soft cap; the scale is in the queries.
    pub rule: AttentionRule,
    /// Values from row to row of `query`.
    pub query_stride: usize,
    /// Blocks of a lane's row in `tables`.
    pub max_blocks: usize,
    /// The last position of any row.
    pub last: usize,
}

impl AttentionLaunch {
    /// Blocks of a part: fixed, so that a row's sums do not depend on the batch.
    pub const PART: usize = 16;

    /// Parts of the row that sees most.
    pub fn parts(last: usize, rule: &AttentionRule) -> usize {
        let first = rule.first_seen(last);
        // A window may begin within a block.
        let blocks = if first == 0 { (last + 1).div_ceil(BLOCK) } else { (last - first).div_ceil(BLOCK) + 1 };
        blocks.div_ceil(Self::PART)
    }

    /// The launches, to be run one after the other: one, or two where there are several parts.
    ///
    /// # Errors
    /// If there is no kernel for heads of this size, or a size is out of range.
    pub fn launches(&self) -> Result<Vec<Launch>> {
        let KvLayout { heads, kv_heads, head_dim } = self.layout;
        let values = match head_dim {
            ..=64 => 2,
            65..=128 => 4,
            _ => 8,
        };
        if !head_dim.is_multiple_of(values) || !(1..=256).contains(&head_dim) {
            bail!(
                "attention: heads of {head_dim} values; even numbers up to 64, multiples of 4 up to 128, of 8 up to 256 are allowed"
            )
        }
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            bail!("attention: {heads} query heads for {kv_heads} KV heads")
        }
        let group = self.layout.group();
        let together = group.next_power_of_two().min(8);
        let parts = Self::parts(self.last, &self.rule);
        if parts > 1 && (self.partial == Address::NONE || self.mass == Address::NONE) {
            bail!("attention: {parts} parts and no room for them")
        }
        let addresses =
            [self.query, self.cache, self.tables, self.lanes, self.positions, self.partial, self.mass, self.out];
        let arguments = Arguments::new(&addresses)
            .sizes(&[("heads", heads), ("kv_heads", kv_heads), ("head_dim", head_dim)])?
            .sizes(&[("query_stride", self.query_stride), ("max_blocks", self.max_blocks)])?
            .sizes(&[("part", Self::PART), ("parts", parts)])?
            .rule(&self.rule)?;
        let kernel = format!("attend_{}_{together}_{values}", self.cell.name());
        let grid = [self.rows, kv_heads * group.div_ceil(together), parts];
        let mut launches = vec![arguments.clone().launch(kernel, grid, 128)?];
        if parts > 1 {
            launches.push(arguments.launch("attend_combine", [self.rows, heads, 1], 128)?);
        }
        Ok(launches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_contexts_and_windows() {
        let usual = AttentionRule::usual(64);
        let windowed = |window| AttentionRule { window: std::num::NonZeroUsize::new(window), ..usual };
        for (last, rule, parts) in [
            (0, usual, 1),
            (255, usual, 1),
            (256, usual, 2),
            (8191, usual, 32),
            (8191, windowed(241), 1),
            // From place 15 of a block on: 1 position, 15 blocks and 1 position.
            (8191, windowed(242), 2),
            (100, windowed(4096), 1),
        ] {
            assert_eq!(AttentionLaunch::parts(last, &rule), parts, "{last} {rule:?}");
        }
    }
}
