//! The launch that rotates queries and keys and writes keys and values.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};
use super::stored::CellType;
use crate::KvLayout;

/// Queries of `qkv` rotated and scaled in place; its keys, rotated, and its values into `cache`.
#[derive(Clone, Copy, Debug)]
pub struct RopeLaunch {
    /// The type of `cache`.
    pub cell: CellType,
    /// `[rows, qkv_width]` in single precision.
    pub qkv: Address,
    /// `[blocks, block_len]`, as [`KvLayout`] says.
    pub cache: Address,
    /// `[lanes, max_blocks]`, `u32`: the blocks of each lane.
    pub tables: Address,
    /// `[rows]`, `u32`: the lane of each row.
    pub lanes: Address,
    /// `[rows]`, `u32`.
    pub positions: Address,
    /// `[context, half]`, or none where positions are not encoded.
    pub cos: Address,
    /// The same.
    pub sin: Address,
    /// Rows.
    pub rows: usize,
    /// Heads.
    pub layout: KvLayout,
    /// Pairs that are rotated in a head; 0 where positions are not encoded.
    pub half: usize,
    /// Blocks of a lane's row in `tables`.
    pub max_blocks: usize,
    /// What queries are multiplied by.
    pub scale: f32,
}

impl RopeLaunch {
    /// The launch.
    ///
    /// # Errors
    /// If a head has fewer values than are rotated, or a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        let KvLayout { heads, kv_heads, head_dim } = self.layout;
        if 2 * self.half > head_dim {
            bail!("rope: {} pairs in a head of {head_dim} values", self.half)
        }
        Arguments::new(&[self.qkv, self.cache, self.tables, self.lanes, self.positions, self.cos, self.sin])
            .sizes(&[("heads", heads), ("kv_heads", kv_heads), ("head_dim", head_dim), ("half", self.half)])?
            .sizes(&[("max_blocks", self.max_blocks)])?
            .numbers(&[self.scale])
            .launch(
                format!("rope_write_{}", self.cell.name()),
                [self.rows, heads + 2 * kv_heads, 1],
                head_dim.next_multiple_of(32).min(128) as u32,
            )
    }
}
