//! The launch of attention of prompts' chunks.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};
use crate::{AttentionRule, KvLayout, Segment};

/// Attention of the rows of segments by tensor cores, over a cache in half precision. Everything is rounded to half precision but
/// for the sums; [`AttentionLaunch`](super::AttentionLaunch) is the exact one, and the one for rows that decode.
#[derive(Clone, Copy, Debug)]
pub struct PrefillLaunch {
    /// `[rows, query_stride]` in single precision, rotated and scaled.
    pub query: Address,
    /// `[blocks, block_len]`, as [`KvLayout`] says; holds all rows' keys and values already.
    pub cache: Address,
    /// `[lanes, max_blocks]`, `u32`: the blocks of each segment.
    pub tables: Address,
    /// `[count, 5]`, `u32`: what [`Self::tiles`] gives.
    pub tiles: Address,
    /// `[rows, heads * head_dim]`.
    pub out: Address,
    /// Number of tiles.
    pub count: usize,
    /// Heads.
    pub layout: KvLayout,
    /// Window and soft cap; the scale is in the queries.
    pub rule: AttentionRule,
    /// Values from row to row of `query`.
    pub query_stride: usize,
    /// Blocks of a lane's row in `tables`.
    pub max_blocks: usize,
}

impl PrefillLaunch {
    /// Queries of a tile.
    const TILE: usize = 64;

    /// The heads that there are kernels for.
    pub const HEADS: [usize; 7] = [16, 32, 64, 80, 96, 128, 256];

    /// The tiles of segments whose rows lie one after another, segment `i` being lane `i` of the tables.
    pub fn tiles(segments: &[Segment], layout: KvLayout) -> Vec<[u32; 5]> {
        let (mut tiles, mut place) = (Vec::new(), 0);
        for (lane, Segment { start, rows, .. }) in segments.iter().enumerate() {
            for query in (0..rows * layout.group()).step_by(Self::TILE) {
                tiles.push([lane, *start, place, *rows, query].map(|number| number as u32));
            }
            place += rows;
        }
        tiles
    }

    /// The launch.
    ///
    /// # Errors
    /// If there is no kernel for heads of this size, or a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        let KvLayout { heads, kv_heads, head_dim } = self.layout;
        if !Self::HEADS.contains(&head_dim) || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            bail!(
                "prefill: {heads} heads and {kv_heads} KV heads of {head_dim} values; values may be {:?}",
                Self::HEADS
            )
        }
        Arguments::new(&[self.query, self.cache, self.tables, self.tiles, self.out])
            .sizes(&[("heads", heads), ("kv_heads", kv_heads)])?
            .sizes(&[("query_stride", self.query_stride), ("max_blocks", self.max_blocks)])?
            .rule(&self.rule)?
            .launch(format!("prefill_{head_dim}"), [self.count, kv_heads, 1], 128)
    }
}
