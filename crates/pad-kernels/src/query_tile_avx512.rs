//! Queries together in AVX512: a key or value is loaded once for up to six of them. The same sums in the same order as the plain
//! loops of `query_tile`, bit for bit.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_fmadd_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use crate::cell::Cell;
use crate::kv::BLOCK;
use crate::query_tile::{CHAINS, QueryTile, TAIL, weigh};

/// Floats in a vector.
const LANES: usize = 16;

/// Queries whose sums are in registers at once.
const TOGETHER: usize = 6;

/// Blocks of keys or values that are asked for in advance, wherever they lie: as many as hide the memory's latency.
const AHEAD: usize = 4;

/// As [`QueryTile::attend`]; `head_dim` is a multiple of 16.
pub fn attend<C: Cell>(tile: &QueryTile<'_, '_, C>, scores: &mut Vec<f32>, parts: &mut [f32]) {
    let head_dim = tile.past.layout.head_dim;
    let count = tile.queries.len() / head_dim;
    assert!(count * head_dim == tile.queries.len() && head_dim.is_multiple_of(LANES));
    assert!(count * (head_dim + TAIL) == parts.len() && count == tile.rows.len() * tile.past.layout.group());
    scores.resize(count * tile.blocks().len() * BLOCK, 0.0);
    // SAFETY: only called where `Isa::available` found AVX512; the lengths are those of as many queries.
    unsafe { stretch(tile, count, scores, parts) }
}

/// The queries in groups of nearly the same size.
fn groups(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let groups = count.div_ceil(TOGETHER);
    (0..groups).map(move |i| (i * count / groups, (i + 1) * count / groups))
}

/// Call a function that is generic over the number of queries.
macro_rules! of_queries {
    ($count:expr, $g:ident => $call:expr) => {
        match $count {
            1 => {
                const $g: usize = 1;
                $call
            }
            2 => {
                const $g: usize = 2;
                $call
            }
            3 => {
                const $g: usize = 3;
                $call
            }
            4 => {
                const $g: usize = 4;
                $call
            }
            5 => {
                const $g: usize = 5;
                $call
            }
            _ => {
                const $g: usize = TOGETHER;
                $call
            }
        }
    };
}

/// # Safety
/// The processor has AVX512 and F16C; there are `count` queries, their parts, and as many rows of scores of the tile's blocks.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
unsafe fn stretch<C: Cell>(tile: &QueryTile<'_, '_, C>, count: usize, scores: &mut [f32], parts: &mut [f32]) {
    let head_dim = tile.past.layout.head_dim;
    let (blocks, width) = (tile.blocks(), tile.blocks().len() * BLOCK);
    for (index, block) in blocks.clone().enumerate() {
        for (first, end) in groups(count) {
            // SAFETY: the caller's; the group lies inside the queries and their scores.
            unsafe {
                let queries = tile.queries.as_ptr().add(first * head_dim);
                let scores = scores.as_mut_ptr().add(first * width + index * BLOCK);
                of_queries!(end - first, G => keys::<C, G>(tile, block, queries, scores, width));
            }
        }
    }
    for (query, scores) in scores.chunks_exact_mut(width.max(1)).enumerate() {
        let tail = weigh(scores, tile.seen(query), tile.past.soft_cap);
        parts[query * (head_dim + TAIL) + head_dim..][..TAIL].copy_from_slice(&tail);
    }
    for (first, end) in groups(count) {
        let mut d = 0;
        while d < head_dim {
            // SAFETY: `d` and the vectors from it on lie inside a head; the rest is the caller's.
            unsafe {
                let weights = scores.as_ptr().add(first * width);
                let out = parts.as_mut_ptr().add(first * (head_dim + TAIL) + d);
                if head_dim - d >= 4 * LANES {
                    of_queries!(end - first, G => values::<C, G, 4>(tile, weights, d, out));
                    d += 4 * LANES;
                } else {
                    of_queries!(end - first, G => values::<C, G, 1>(tile, weights, d, out));
                    d += LANES;
                }
            }
        }
    }
}

/// What is read [`AHEAD`] blocks after block `index` of the keys (or of the values, if `VALUES`): the keys of a stretch are read
/// first, then its values, then the next stretch's keys.
fn ahead<'b, C: Cell, const VALUES: bool>(tile: &QueryTile<'_, 'b, C>, index: usize) -> &'b [C] {
    let (blocks, at) = (tile.blocks(), index + AHEAD);
    let part = |block: usize, values: bool| {
        let (keys, of) = tile.past.block(block.min(tile.past.blocks.len() - 1));
        if values { of } else { keys }
    };
    match (at < blocks.end, VALUES) {
        (true, values) => part(at, values),
        (false, false) => part((at - blocks.len()).max(blocks.start), true),
        (false, true) => part(at, false),
    }
}

/// The scores of `G` queries with the keys of a block, `width` scores from one query to the next.
///
/// # Safety
/// As for [`stretch`]: `queries` are `G` heads, and `scores` has room for a block in each row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
#[inline]
unsafe fn keys<C: Cell, const G: usize>(
    tile: &QueryTile<'_, '_, C>,
    block: usize,
    queries: *const f32,
    scores: *mut f32,
    width: usize,
) {
    let head_dim = tile.past.layout.head_dim;
    let (keys, next) = (tile.past.block(block).0, ahead::<C, false>(tile, block));
    let mut chains = [[_mm512_setzero_ps(); CHAINS]; G];
    for d in (0..head_dim).step_by(CHAINS) {
        prefetch(&next[d * BLOCK..(d + CHAINS) * BLOCK]);
        for c in 0..CHAINS {
            // SAFETY: `d + c` is less than `head_dim`, a multiple of 16: inside the keys and inside every query.
            unsafe {
                let key = C::sixteen(keys.as_ptr().add((d + c) * BLOCK));
                for (g, chains) in chains.iter_mut().enumerate() {
                    let q = _mm512_set1_ps(*queries.add(g * head_dim + d + c));
                    chains[c] = _mm512_fmadd_ps(q, key, chains[c]);
                }
            }
        }
    }
    for (g, [a, b, c, d]) in chains.into_iter().enumerate() {
        let score = _mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d));
        // SAFETY: a block is 16 floats.
        unsafe { _mm512_storeu_ps(scores.add(g * width), score) };
    }
}

/// Ask for the cache lines of a slice.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn prefetch<C>(slice: &[C]) {
    let from = slice.as_ptr().cast::<i8>();
    for line in (0..size_of_val(slice)).step_by(64) {
        // SAFETY: needs no more than SSE; a prefetch reads nothing that the program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(line)) };
    }
}

/// `V` vectors of the weighed values of `G` queries, from element `d` of the head on.
///
/// # Safety
/// As for [`stretch`]: `weights` are `G` rows of scores, `out` element `d` of the first query's part; `d + 16 V` is at most
/// `head_dim`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
#[inline]
unsafe fn values<C: Cell, const G: usize, const V: usize>(
    tile: &QueryTile<'_, '_, C>,
    weights: *const f32,
    d: usize,
    out: *mut f32,
) {
    let head_dim = tile.past.layout.head_dim;
    let (blocks, width) = (tile.blocks(), tile.blocks().len() * BLOCK);
    let mut acc = [[_mm512_setzero_ps(); V]; G];
    for (index, block) in blocks.enumerate() {
        let (values, next) = (tile.past.block(block).1, ahead::<C, true>(tile, block));
        for j in tile.places(block) {
            prefetch(&next[j * head_dim + d..][..V * LANES]);
            // SAFETY: position `j` of the block has `head_dim` values; every query has a weight for each of `width` positions.
            unsafe {
                let from = values.as_ptr().add(j * head_dim + d);
                let value: [__m512; V] = std::array::from_fn(|v| C::sixteen(from.add(v * LANES)));
                for (g, acc) in acc.iter_mut().enumerate() {
                    let weight = _mm512_set1_ps(*weights.add(g * width + index * BLOCK + j));
                    for (acc, value) in acc.iter_mut().zip(value) {
                        *acc = _mm512_fmadd_ps(weight, value, *acc);
                    }
                }
            }
        }
    }
    for (g, acc) in acc.into_iter().enumerate() {
        for (v, acc) in acc.into_iter().enumerate() {
            // SAFETY: `V` vectors of each query's part.
            unsafe { _mm512_storeu_ps(out.add(g * (head_dim + TAIL) + v * LANES), acc) };
        }
    }
}
