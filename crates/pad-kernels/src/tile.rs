//! The product of rows with one tile of 16 outputs: the inner loops of every linear.
//!
//! A row's sums run over the blocks in order, whatever the number of rows computed beside it, so its result does not depend on
//! the batch.

use std::ops::Range;

use half::f16;

use crate::Isa;
use crate::activation::{Activations, HALF, QuantisedBlock};
use crate::block::BLOCK_LEN;
use crate::dispatch::{for_each_isa, mul_add};
use crate::packed::{Format, PackedWeights, TILE};

/// Rows computed together while the tile streams by, at most.
pub const ROWS: usize = 16;

/// Sums of up to [`ROWS`] rows with a tile's 16 outputs.
pub type Sums = [[f32; TILE]; ROWS];

/// Call `store(group, first row, sums)` for every group of `T` tiles and every group of rows in `0..rows`, with these rows' products
/// with the 16 outputs of each tile.
pub fn for_each_group<const T: usize>(
    isa: Isa,
    weights: &PackedWeights,
    groups: Range<usize>,
    activations: &Activations,
    rows: usize,
    store: &mut dyn FnMut(usize, usize, [&[[f32; TILE]]; T]),
) {
    let mut sums: [Sums; T] = [[[0.0; TILE]; ROWS]; T];
    for group in groups {
        let mut row = 0;
        while row < rows {
            let count = together(rows - row);
            for (t, sums) in sums.iter_mut().enumerate() {
                product(isa, weights, group * T + t, activations, row, count, sums);
            }
            store(group, row, sums.each_ref().map(|sums| &sums[..count]));
            row += count;
        }
    }
}

/// How many of `left` rows are computed at once.
pub fn together(left: usize) -> usize {
    match left {
        ROWS.. => ROWS,
        8.. => 8,
        few => few,
    }
}

/// One row's products with the tile's 16 outputs, exactly as [`for_each_group`] gives them.
pub fn one_row(isa: Isa, weights: &PackedWeights, tile: usize, activations: &Activations, row: usize) -> [f32; TILE] {
    let mut sums: Sums = [[0.0; TILE]; ROWS];
    product(isa, weights, tile, activations, row, 1, &mut sums);
    sums[0]
}

fn product(isa: Isa, w: &PackedWeights, tile: usize, a: &Activations, row: usize, count: usize, sums: &mut Sums) {
    let (bytes, blocks) = (w.tile(tile), w.blocks());
    match a {
        Activations::Single(values) => {
            let x = &values[row * blocks * BLOCK_LEN..(row + count) * blocks * BLOCK_LEN];
            single(isa, bytes, x, &mut sums[..count]);
        }
        Activations::Quantised(quantised) => {
            let x = &quantised[row * blocks..(row + count) * blocks];
            let q4 = w.format() == Format::Q4;
            #[cfg(target_arch = "x86_64")]
            if isa == Isa::Avx512 {
                return crate::tile_vnni::product(q4, bytes, x, &mut sums[..count]);
            }
            if q4 {
                quantised_rows::<true>(isa, bytes, x, &mut sums[..count]);
            } else {
                quantised_rows::<false>(isa, bytes, x, &mut sums[..count]);
            }
        }
    }
}

for_each_isa! {
    fn single(tile: &[u8], x: &[f32], sums: &mut [[f32; TILE]]) = single_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn single_body<const FUSED: bool>(tile: &[u8], x: &[f32], sums: &mut [[f32; TILE]]) {
    let inputs = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    for (i, w) in tile.chunks_exact(TILE * 4).enumerate().take(inputs) {
        let mut weights = [0.0; TILE];
        for (weight, bytes) in weights.iter_mut().zip(w.chunks_exact(4)) {
            *weight = f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for (sums, x) in sums.iter_mut().zip(x.chunks_exact(inputs)) {
            for (sum, w) in sums.iter_mut().zip(&weights) {
                *sum = mul_add::<FUSED>(*w, x[i], *sum);
            }
        }
    }
}

for_each_isa! {
    /// Sums of as many rows as `sums` has, `x` being `[rows, blocks]`.
    pub fn quantised_rows<const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) = quantised_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn quantised_body<const FUSED: bool, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let format = if Q4 { Format::Q4 } else { Format::Q8 };
    let blocks = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    for (b, bytes) in tile.chunks_exact(format.block_bytes()).enumerate().take(blocks) {
        let half = |at: usize| f16::from_ne_bytes([bytes[at], bytes[at + 1]]).to_f32();
        let scales: [f32; TILE] = std::array::from_fn(|j| half(2 * j));
        let minima: [f32; TILE] = std::array::from_fn(|j| if Q4 { half(2 * (TILE + j)) } else { 0.0 });
        let mut q = [[0_u8; 4 * TILE]; BLOCK_LEN / 4];
        if Q4 {
            for (g, packed) in bytes[TILE * 4..].chunks_exact(64).enumerate() {
                for (i, byte) in packed.iter().enumerate() {
                    q[g][i] = byte & 15;
                    q[g + 4][i] = byte >> 4;
                }
            }
        } else {
            for (q, packed) in q.iter_mut().zip(bytes[TILE * 2..].chunks_exact(64)) {
                q.copy_from_slice(packed);
            }
        }
        for (acc, x) in sums.iter_mut().zip(x.chunks_exact(blocks)) {
            let a = &x[b];
            let mut dots = a.start.map(|start| [if Q4 { 0 } else { start }; TILE]);
            for ((q, x), dots) in q.chunks_exact(HALF / 4).zip(a.q.chunks_exact(HALF)).zip(&mut dots) {
                for (q, x) in q.iter().zip(x.chunks_exact(4)) {
                    for j in 0..TILE {
                        for c in 0..4 {
                            dots[j] += i32::from(q[4 * j + c]) * i32::from(x[c]);
                        }
                    }
                }
            }
            for j in 0..TILE {
                let both = mul_add::<FUSED>(dots[1][j] as f32, a.scale[1], dots[0][j] as f32 * a.scale[0]);
                acc[j] = mul_add::<FUSED>(both, scales[j], acc[j]);
            }
            if Q4 {
                for j in 0..TILE {
                    acc[j] = mul_add::<FUSED>(minima[j], a.sum, acc[j]);
                }
            }
        }
    }
}
