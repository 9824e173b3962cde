//! The input of a linear, prepared for the tiles: padded single precision, or 8-bit blocks.

use crate::dispatch::for_each_isa;
use crate::format::BLOCK_LEN;
use crate::quantised_block::{HALF, QuantisedBlock};
use crate::shared::SharedSlice;
use crate::{Isa, Pool};

/// Adding this rounds to the nearest integer, ties to even, and leaves it in the low bits: vector arithmetic everywhere, where a
/// conversion that checks for overflow is not.
const MAGIC: f32 = 12_582_912.0;

/// Prepared rows.
#[derive(Debug)]
pub enum Activations {
    /// `[rows, padded inputs]`.
    Single(Vec<f32>),
    /// `[rows, blocks]`.
    Quantised(Vec<QuantisedBlock>),
}

impl Activations {
    /// Prepare `rows` rows of `inputs` values for a matrix of single precision or of quantised values. `fill(row, out)` writes a row's
    /// values into `out`, which is padded with zeros to a multiple of 32.
    pub fn prepare(
        isa: Isa,
        pool: &Pool,
        single: bool,
        rows: usize,
        inputs: usize,
        fill: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Self {
        let padded = inputs.div_ceil(BLOCK_LEN) * BLOCK_LEN;
        // A few rows are prepared faster than they are handed out.
        let grain = if rows * padded < 8192 { rows } else { 1 };
        Self::fill(isa, single, rows, inputs, |prepared| {
            pool.run_ranges(rows, grain, &|start, end| {
                let mut values = vec![0.0; padded];
                for row in start..end {
                    fill(row, &mut values[..inputs]);
                    // SAFETY: each row belongs to one range.
                    unsafe { prepared.put(row, 0, &values) };
                }
            });
        })
    }

    /// Prepare `rows` rows of `inputs` values for a matrix of single precision or of quantised values, as `fill` puts them block by block.
    pub fn fill(isa: Isa, single: bool, rows: usize, inputs: usize, fill: impl FnOnce(&Preparing<'_>)) -> Self {
        let blocks = inputs.div_ceil(BLOCK_LEN);
        if single {
            let mut values = vec![0.0; rows * blocks * BLOCK_LEN];
            fill(&Preparing { isa, blocks, to: Filling::Single(SharedSlice::new(&mut values)) });
            return Self::Single(values);
        }
        let mut quantised = vec![QuantisedBlock::ZERO; rows * blocks];
        fill(&Preparing { isa, blocks, to: Filling::Quantised(SharedSlice::new(&mut quantised)) });
        Self::Quantised(quantised)
    }
}

/// Prepared rows in the making.
pub struct Preparing<'a> {
    isa: Isa,
    blocks: usize,
    to: Filling<'a>,
}

enum Filling<'a> {
    Single(SharedSlice<'a, f32>),
    Quantised(SharedSlice<'a, QuantisedBlock>),
}

impl Preparing<'_> {
    /// Put the values of whole blocks of one row, `block` being the first of them.
    ///
    /// # Safety
    /// No two threads may write the same block of the same row at the same time.
    pub unsafe fn put(&self, row: usize, block: usize, values: &[f32]) {
        let at = row * self.blocks + block;
        // SAFETY: the caller's.
        unsafe {
            match &self.to {
                Filling::Single(to) => to.part(at * BLOCK_LEN, values.len()).copy_from_slice(values),
                Filling::Quantised(to) => quantise(self.isa, values, to.part(at, values.len() / BLOCK_LEN)),
            }
        }
    }
}

/// Quantise a row, block by block.
pub fn quantise(isa: Isa, values: &[f32], out: &mut [QuantisedBlock]) {
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 {
        return crate::activation_avx512::quantise(values, out);
    }
    quantise_plain(isa, values, out);
}

for_each_isa! {
    fn quantise_plain(values: &[f32], out: &mut [QuantisedBlock]) = quantise_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn quantise_body<const FUSED: bool>(values: &[f32], out: &mut [QuantisedBlock]) {
    for (values, out) in values.chunks_exact(BLOCK_LEN).zip(out) {
        let mut total = 0.0;
        for (half, (values, q)) in values.chunks_exact(HALF).zip(out.q.chunks_exact_mut(HALF)).enumerate() {
            // Without their sign floats order as integers do, and the greatest integer may be looked for in any order.
            let bits = values.iter().fold(0_u32, |max, v| max.max(v.abs().to_bits()));
            let max = f32::from_bits(bits);
            let inverse = if max > 0.0 { 127.0 / max } else { 0.0 };
            let mut sum = 0_i32;
            for (q, v) in q.iter_mut().zip(values) {
                let rounded = (v * inverse + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i8;
                *q = rounded;
                sum += i32::from(rounded);
            }
            out.scale[half] = max / 127.0;
            out.start[half] = -128 * sum;
            total += out.scale[half] * sum as f32;
        }
        out.sum = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_on_every_instruction_set() {
        let values: Vec<f32> = (0..96).map(|i| ((i * 7919 % 1009) as f32 - 500.0) / 93.0).collect();
        let quantised = |isa| {
            let mut out = vec![QuantisedBlock::ZERO; 3];
            quantise(isa, &values, &mut out);
            out
        };
        let plain = quantised(Isa::Portable);
        for (block, values) in plain.iter().zip(values.chunks(32)) {
            let mut sum = 0.0;
            for (i, (q, v)) in block.q.iter().zip(values).enumerate() {
                let scale = block.scale[i / HALF];
                assert!((f32::from(*q) * scale - v).abs() <= 0.5001 * scale);
                sum += f32::from(*q) * scale;
            }
            assert!((block.sum - sum).abs() < 1e-4);
            let whole: i32 = block.q.iter().map(|q| i32::from(*q)).sum();
            assert_eq!(block.start.iter().sum::<i32>(), -128 * whole);
        }
        for &isa in Isa::available() {
            for (a, b) in quantised(isa).iter().zip(&plain) {
                assert_eq!((a.q, a.scale, a.sum, a.start), (b.q, b.scale, b.sum, b.start), "{isa:?}");
            }
        }
    }
}
