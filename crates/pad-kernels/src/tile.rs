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
            let count = match rows - row {
                ROWS.. => ROWS,
                8.. => 8,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            for (t, sums) in sums.iter_mut().enumerate() {
                product(isa, weights, group * T + t, activations, row, count, sums);
            }
            store(group, row, sums.each_ref().map(|sums| &sums[..count]));
            row += count;
        }
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
            match count {
                ROWS => single::<ROWS>(isa, bytes, x, sums),
                8 => single::<8>(isa, bytes, x, sums),
                4 => single::<4>(isa, bytes, x, sums),
                2 => single::<2>(isa, bytes, x, sums),
                _ => single::<1>(isa, bytes, x, sums),
            }
        }
        Activations::Quantised(quantised) => {
            let x = &quantised[row * blocks..(row + count) * blocks];
            let q4 = w.format() == Format::Q4;
            #[cfg(target_arch = "x86_64")]
            if isa == Isa::Avx512 {
                return crate::tile_vnni::product(q4, count, bytes, x, sums);
            }
            match (q4, count) {
                (true, ROWS) => quantised_rows::<ROWS, true>(isa, bytes, x, sums),
                (true, 8) => quantised_rows::<8, true>(isa, bytes, x, sums),
                (true, 4) => quantised_rows::<4, true>(isa, bytes, x, sums),
                (true, 2) => quantised_rows::<2, true>(isa, bytes, x, sums),
                (true, _) => quantised_rows::<1, true>(isa, bytes, x, sums),
                (false, ROWS) => quantised_rows::<ROWS, false>(isa, bytes, x, sums),
                (false, 8) => quantised_rows::<8, false>(isa, bytes, x, sums),
                (false, 4) => quantised_rows::<4, false>(isa, bytes, x, sums),
                (false, 2) => quantised_rows::<2, false>(isa, bytes, x, sums),
                (false, _) => quantised_rows::<1, false>(isa, bytes, x, sums),
            }
        }
    }
}

for_each_isa! {
    fn single<const M: usize>(tile: &[u8], x: &[f32], sums: &mut Sums) = single_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn single_body<const FUSED: bool, const M: usize>(tile: &[u8], x: &[f32], sums: &mut Sums) {
    let inputs = x.len() / M;
    let rows: [&[f32]; M] = std::array::from_fn(|m| &x[m * inputs..(m + 1) * inputs]);
    let mut acc = [[0.0_f32; TILE]; M];
    for (i, w) in tile.chunks_exact(TILE * 4).enumerate().take(inputs) {
        let w: [f32; TILE] =
            std::array::from_fn(|j| f32::from_ne_bytes([w[4 * j], w[4 * j + 1], w[4 * j + 2], w[4 * j + 3]]));
        for m in 0..M {
            let v = rows[m][i];
            for j in 0..TILE {
                acc[m][j] = mul_add::<FUSED>(w[j], v, acc[m][j]);
            }
        }
    }
    sums[..M].copy_from_slice(&acc);
}

for_each_isa! {
    pub fn quantised_rows<const M: usize, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut Sums)
        = quantised_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn quantised_body<const FUSED: bool, const M: usize, const Q4: bool>(
    tile: &[u8],
    x: &[QuantisedBlock],
    sums: &mut Sums,
) {
    let format = if Q4 { Format::Q4 } else { Format::Q8 };
    let blocks = x.len() / M;
    let mut acc = [[0.0_f32; TILE]; M];
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
        for m in 0..M {
            let a = &x[m * blocks + b];
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
                acc[m][j] = mul_add::<FUSED>(both, scales[j], acc[m][j]);
            }
            if Q4 {
                for j in 0..TILE {
                    acc[m][j] = mul_add::<FUSED>(minima[j], a.sum, acc[m][j]);
                }
            }
        }
    }
    sums[..M].copy_from_slice(&acc);
}
