//! A group of rows that are multiplied with a tile together.

use crate::format::{Format, TILE};
use crate::quantised_block::QuantisedBlock;

/// Rows computed together while the tile streams by, at most.
pub const ROWS: usize = 16;

/// Bytes ahead of the present block to ask for, into the second-level cache: far enough to hide the memory's latency, and the
/// first level's few outstanding misses are left to what is needed next.
#[cfg(target_arch = "x86_64")]
pub const AHEAD: usize = 8192;

/// How many of `left` rows are computed at once.
pub fn together(left: usize) -> usize {
    match left {
        ROWS.. => ROWS,
        8.. => 8,
        few => few,
    }
}

/// That `tile` and `x` have one block of weights for each block of a row of inputs, for at most [`ROWS`] rows of sums.
pub fn assert_lengths(format: Format, tile: &[u8], x: &[QuantisedBlock], sums: &[[f32; TILE]]) {
    let rows = sums.len();
    assert!((1..=ROWS).contains(&rows) && x.len().is_multiple_of(rows), "rows of one length");
    let blocks = x.len() / rows;
    assert!(
        blocks.is_multiple_of(format.unit_blocks())
            && tile.len() == blocks / format.unit_blocks() * format.unit_bytes(),
        "one weight block for each block of a row"
    );
}
