//! The product of rows with one tile of 16 outputs: the inner loops of every linear.
//!
//! A row's sums run over the blocks in order, whatever the number of rows computed beside it, so its result does not depend on
//! the batch.

use std::ops::Range;

use half::f16;

use crate::Isa;
use crate::activation::Activations;
use crate::dispatch::{for_each_isa, mul_add};
use crate::format::{BLOCK_LEN, Format, TILE};
use crate::packed::PackedWeights;
use crate::quantised_block::{HALF, QuantisedBlock};
use crate::row_group::{ROWS, together};
use crate::tile_rows::groups;

/// Sums of up to [`ROWS`] rows with a tile's 16 outputs.
pub type Sums = [[f32; TILE]; ROWS];

/// Takes the sums of some rows, as many as there are, with each of `T` tiles: group of tiles, first row, sums.
pub type Store<'a, const T: usize> = dyn FnMut(usize, usize, [&[[f32; TILE]]; T]) + 'a;

/// Call `store(group, first row, sums)` for every group of `T` tiles and every group of rows in `0..rows`, with these rows' products
/// with the 16 outputs of each tile.
pub fn for_each_group<const T: usize>(
    isa: Isa,
    weights: &PackedWeights,
    groups: Range<usize>,
    activations: &Activations,
    rows: usize,
    store: &mut Store<'_, T>,
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

/// One row's products with the tile's 16 outputs, exactly as [`for_each_group`] gives them.
pub fn one_row(isa: Isa, weights: &PackedWeights, tile: usize, activations: &Activations, row: usize) -> [f32; TILE] {
    let mut sums: Sums = [[0.0; TILE]; ROWS];
    product(isa, weights, tile, activations, row, 1, &mut sums);
    sums[0]
}

fn product(isa: Isa, w: &PackedWeights, tile: usize, a: &Activations, row: usize, count: usize, sums: &mut Sums) {
    let ((format, bytes), blocks) = (w.tile(tile), w.blocks());
    match a {
        Activations::Single(values) => {
            let x = &values[row * blocks * BLOCK_LEN..(row + count) * blocks * BLOCK_LEN];
            single(isa, bytes, x, &mut sums[..count]);
        }
        Activations::Quantised(quantised) => {
            let x = &quantised[row * blocks..(row + count) * blocks];
            quantised_rows(isa, format, bytes, x, &mut sums[..count]);
        }
    }
}

/// Sums of as many rows as `sums` has, `x` being `[rows, blocks]`.
fn quantised_rows(isa: Isa, format: Format, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => crate::tile_vnni::product(format, tile, x, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => crate::tile_avx2::product::<true>(format, tile, x, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => crate::tile_avx2::product::<false>(format, tile, x, sums),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => crate::tile_neon::product(format, tile, x, sums),
        _ => plain_rows::<false>(format, tile, x, sums),
    }
}

/// Sums of as many rows as `sums` has in single precision, `x` being `[rows, inputs]`; up to eight rows at once, whose sums stay in registers.
fn single(isa: Isa, tile: &[u8], x: &[f32], sums: &mut [[f32; TILE]]) {
    let inputs = x.len() / sums.len();
    let mut row = 0;
    while row < sums.len() {
        let count = 1 << (sums.len() - row).min(8).ilog2();
        let (x, sums) = (&x[row * inputs..(row + count) * inputs], &mut sums[row..row + count]);
        match count {
            8 => single_rows::<8>(isa, tile, x, sums),
            4 => single_rows::<4>(isa, tile, x, sums),
            2 => single_rows::<2>(isa, tile, x, sums),
            _ => single_rows::<1>(isa, tile, x, sums),
        }
        row += count;
    }
}

for_each_isa! {
    fn single_rows<const M: usize>(tile: &[u8], x: &[f32], sums: &mut [[f32; TILE]]) = single_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn single_body<const FUSED: bool, const M: usize>(tile: &[u8], x: &[f32], sums: &mut [[f32; TILE]]) {
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
    sums.copy_from_slice(&acc);
}

/// [`quantised_rows`] in plain loops: what the vector instructions must give bit for bit, `FUSED`.
fn plain_rows<const FUSED: bool>(format: Format, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let blocks = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    for (unit, bytes) in tile.chunks_exact(format.unit_bytes()).enumerate() {
        for (index, body) in bytes[format.body()..].chunks_exact(format.body_bytes()).enumerate() {
            let (b, q) = (unit * format.unit_blocks() + index, groups(format, body));
            let (scales, minima) = scales(format, bytes, index);
            for (acc, x) in sums.iter_mut().zip(x.chunks_exact(blocks)) {
                let a = &x[b];
                let mut dots = [[0; TILE]; 2];
                for ((q, x), dots) in q.chunks_exact(HALF / 4).zip(a.q.chunks_exact(HALF)).zip(&mut dots) {
                    for (q, x) in q.iter().zip(x.chunks_exact(4)) {
                        for j in 0..TILE {
                            for c in 0..4 {
                                dots[j] += (i32::from(q[4 * j + c]) - i32::from(format.offset())) * i32::from(x[c]);
                            }
                        }
                    }
                }
                for j in 0..TILE {
                    let first = dots[0][j] as f32 * a.scale[0];
                    if format.has_half_scales() {
                        acc[j] = mul_add::<FUSED>(first, scales[0][j], acc[j]);
                        acc[j] = mul_add::<FUSED>(dots[1][j] as f32 * a.scale[1], scales[1][j], acc[j]);
                    } else {
                        let both = mul_add::<FUSED>(dots[1][j] as f32, a.scale[1], first);
                        acc[j] = mul_add::<FUSED>(both, scales[0][j], acc[j]);
                    }
                    if format.has_min() {
                        acc[j] = mul_add::<FUSED>(minima[j], a.sum, acc[j]);
                    }
                }
            }
        }
    }
}

/// Scales of the two halves, and minima, of a block of a unit.
fn scales(format: Format, unit: &[u8], block: usize) -> ([[f32; TILE]; 2], [f32; TILE]) {
    let half = |at: usize| f16::from_ne_bytes([unit[at], unit[at + 1]]).to_f32();
    let factor = |i: usize, j: usize| unit[format.factor(block, i) + j];
    let scales = std::array::from_fn(|i| {
        std::array::from_fn(|j| match format {
            Format::Q6K => half(2 * j) * f32::from(factor(i, j) as i8),
            Format::Q4K | Format::Q5K => half(2 * j) * f32::from(factor(0, j)),
            Format::Iq4Xs => half(2 * j) * f32::from(factor(0, j) as i8),
            _ => half(2 * j),
        })
    });
    let minima = std::array::from_fn(|j| match format {
        Format::Q4K | Format::Q5K => half(2 * (TILE + j)) * f32::from(factor(1, j)),
        Format::Q4_1 | Format::Q5_1 => half(2 * (TILE + j)),
        _ => 0.0,
    });
    (scales, minima)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pool;
    use crate::activation::quantise;
    use crate::unit::Unit;

    /// What the quantised values are: chosen at random, or the greatest there are, whose sums are the greatest.
    #[derive(Clone, Copy, Debug)]
    enum Values {
        Random,
        Greatest,
    }

    struct Random(u32);

    impl Random {
        fn below(&mut self, end: u32) -> u32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) % end
        }
    }

    fn tile_of(format: Format, blocks: usize, values: Values, random: &mut Random) -> PackedWeights {
        let end = 1 << format.bits();
        let mut units = Vec::new();
        for row in 0..TILE {
            for _ in 0..blocks / format.unit_blocks() {
                let mut unit = Unit::ZERO;
                unit.scale = f16::from_f32(random.below(1000) as f32 / 1000.0);
                unit.min = f16::from_f32(-3.0);
                unit.factors.as_flattened_mut().iter_mut().for_each(|f| *f = random.below(256) as u8);
                unit.q.as_flattened_mut().iter_mut().for_each(|q| {
                    *q = match values {
                        Values::Random => random.below(end) as u8,
                        // One output in four has the least values instead.
                        Values::Greatest => (end - 1) as u8 * u8::from(row % 4 != 3),
                    }
                });
                units.push(unit);
            }
        }
        let fill = |_, rows: &mut crate::TileRows<'_>| {
            for (lane, units) in units.chunks_exact(units.len() / TILE).enumerate() {
                units.iter().enumerate().for_each(|(i, unit)| rows.set_unit(lane, i, unit));
            }
            Ok::<(), ()>(())
        };
        let shape = (TILE, blocks * BLOCK_LEN);
        PackedWeights::fill(&mut crate::Arena::default(), &Pool::new(1), &[format], shape, &fill).unwrap()
    }

    /// `[ROWS, blocks]`; the greatest are 127, all of a row of one sign.
    fn rows_of(blocks: usize, values: Values, random: &mut Random) -> Vec<QuantisedBlock> {
        let values: Vec<f32> = (0..ROWS * blocks * BLOCK_LEN)
            .map(|i| match values {
                Values::Random => random.below(4001) as f32 / 1000.0 - 2.0,
                Values::Greatest if (i / (blocks * BLOCK_LEN)).is_multiple_of(2) => 1.5,
                Values::Greatest => -1.5,
            })
            .collect();
        let mut x = vec![QuantisedBlock::ZERO; ROWS * blocks];
        quantise(Isa::Portable, &values, &mut x);
        x
    }

    #[test]
    fn every_set_gives_bit_for_bit_what_plain_loops_give() {
        let mut random = Random(1);
        for format in Format::QUANTISED {
            let lengths = if format.is_staged() { [8, 16, 24, 48] } else { [1, 2, 18, 48] };
            for (values, blocks) in
                [Values::Random, Values::Greatest].into_iter().flat_map(|v| lengths.map(|blocks| (v, blocks)))
            {
                let w = tile_of(format, blocks, values, &mut random);
                let x = rows_of(blocks, values, &mut random);
                for count in [1, 2, 3, 4, 5, 6, 7, 8, 16] {
                    assert_eq!(together(count), count);
                    let (x, mut want) = (&x[..count * blocks], vec![[0.0; TILE]; count]);
                    plain_rows::<true>(format, w.tile(0).1, x, &mut want);
                    for &isa in Isa::available().iter().filter(|isa| **isa != Isa::Portable) {
                        let mut sums = vec![[f32::NAN; TILE]; count];
                        quantised_rows(isa, format, w.tile(0).1, x, &mut sums);
                        assert_eq!(sums, want, "{isa:?}, {values:?}, {format:?}, {count} rows of {blocks} blocks");
                    }
                }
            }
        }
    }

    /// The plain loops against the values themselves, multiplied one by one.
    #[test]
    fn plain_loops_multiply_the_values() {
        let mut random = Random(2);
        for format in Format::QUANTISED {
            let w = tile_of(format, 16, Values::Random, &mut random);
            let x = rows_of(16, Values::Random, &mut random);
            let mut sums = [[0.0; TILE]; 2];
            plain_rows::<false>(format, w.tile(0).1, &x[..2 * 16], &mut sums);
            for (j, weights) in w.to_f32().chunks_exact(w.inputs()).enumerate() {
                for (row, x) in x.chunks_exact(16).take(2).enumerate() {
                    let inputs =
                        x.iter().flat_map(|a| (0..BLOCK_LEN).map(move |i| f32::from(a.q[i]) * a.scale[i / HALF]));
                    let products: Vec<f32> = weights.iter().zip(inputs).map(|(w, x)| w * x).collect();
                    let (sum, size): (f32, f32) = (products.iter().sum(), products.iter().map(|p| p.abs()).sum());
                    assert!((sums[row][j] - sum).abs() < 1e-5 * size, "{format:?}: {} against {sum}", sums[row][j]);
                }
            }
        }
    }
}
