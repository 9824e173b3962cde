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
            quantised_rows(isa, w.format() == Format::Q4, bytes, x, &mut sums[..count]);
        }
    }
}

/// Sums of as many rows as `sums` has, `x` being `[rows, blocks]`.
fn quantised_rows(isa: Isa, q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => crate::tile_vnni::product(q4, tile, x, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => crate::tile_avx2::product::<true>(q4, tile, x, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => crate::tile_avx2::product::<false>(q4, tile, x, sums),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => crate::tile_neon::product(q4, tile, x, sums),
        _ if q4 => plain_rows::<false, true>(tile, x, sums),
        _ => plain_rows::<false, false>(tile, x, sums),
    }
}

/// That `tile` and `x` have one block of weights for each block of a row of inputs, for at most [`ROWS`] rows of sums.
pub fn assert_lengths(q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &[[f32; TILE]]) {
    let (format, rows) = (if q4 { Format::Q4 } else { Format::Q8 }, sums.len());
    assert!(
        (1..=ROWS).contains(&rows)
            && x.len().is_multiple_of(rows)
            && tile.len() == x.len() / rows * format.block_bytes(),
        "one weight block for each block of a row"
    );
}

/// The same in single precision, `x` being `[rows, inputs]`; up to eight rows at once, whose sums stay in registers.
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
fn plain_rows<const FUSED: bool, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::quantise;
    use crate::block::Block;

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

    fn tile_of(q4: bool, blocks: usize, values: Values, random: &mut Random) -> PackedWeights {
        let (format, end) = if q4 { (Format::Q4, 16) } else { (Format::Q8, 256) };
        let mut w = PackedWeights::zeros(&mut crate::Arena::default(), format, TILE, blocks * BLOCK_LEN);
        for (row, block) in (0..TILE).flat_map(|row| (0..blocks).map(move |block| (row, block))) {
            let scale = f16::from_f32(random.below(1000) as f32 / 1000.0);
            let min = f16::from_f32(if q4 { -3.0 } else { -128.0 * scale.to_f32() });
            let q = std::array::from_fn(|_| match values {
                Values::Random => random.below(end) as u8,
                // One output in four has the least values instead.
                Values::Greatest => (end - 1) as u8 * u8::from(row % 4 != 3),
            });
            w.set_block(row, block, &Block { scale, min, q });
        }
        w
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
        let cases = [Values::Random, Values::Greatest].into_iter().flat_map(|v| [1, 2, 18, 48].map(|b| (v, b)));
        for ((values, blocks), q4) in cases.flat_map(|case| [(case, false), (case, true)]) {
            let w = tile_of(q4, blocks, values, &mut random);
            let x = rows_of(blocks, values, &mut random);
            for count in [1, 2, 3, 4, 5, 6, 7, 8, 16] {
                assert_eq!(together(count), count);
                let (x, mut want) = (&x[..count * blocks], vec![[0.0; TILE]; count]);
                if q4 {
                    plain_rows::<true, true>(w.tile(0), x, &mut want);
                } else {
                    plain_rows::<true, false>(w.tile(0), x, &mut want);
                }
                for &isa in Isa::available().iter().filter(|isa| **isa != Isa::Portable) {
                    let mut sums = vec![[f32::NAN; TILE]; count];
                    quantised_rows(isa, q4, w.tile(0), x, &mut sums);
                    assert_eq!(sums, want, "{isa:?}, {values:?}, q4 {q4}, {count} rows of {blocks} blocks");
                }
            }
        }
    }
}
