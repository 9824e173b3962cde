//! Rounding to 4 bits: 16 values at equal distances, whose scale and minimum fit the weights of a block.

use half::f16;

use crate::format::BLOCK_LEN;
use crate::unit::Unit;

/// The largest of the 16 integers.
const MOST: f32 = 15.0;

/// Parts of a block's range that the 16 values first span: it is worth missing the outermost weights where the others gain.
const SPANS: [f32; 3] = [1.0, 0.92, 0.84];

/// How often scale and minimum are fitted to the integers, and the integers to them.
const FITS: usize = 2;

/// Adding and subtracting it rounds small numbers to integers, in single instructions on vectors.
const ROUNDER: f32 = 1.5 * (1 << 23) as f32;

/// A scale and a minimum, as they are kept.
#[derive(Clone, Copy)]
struct Line {
    scale: f32,
    min: f32,
}

impl Line {
    fn new(scale: f32, min: f32) -> Self {
        Self { scale: f16::from_f32(scale).to_f32(), min: f16::from_f32(min).to_f32() }
    }

    /// The integers whose values are nearest.
    fn integers(self, weights: &[f32; BLOCK_LEN]) -> [f32; BLOCK_LEN] {
        let inverse = if self.scale > 0.0 { 1.0 / self.scale } else { 0.0 };
        weights.map(|weight| ((weight - self.min) * inverse).clamp(0.0, MOST) + ROUNDER - ROUNDER)
    }

    /// The sum of the squares of what is missed.
    fn error(self, weights: &[f32; BLOCK_LEN], integers: &[f32; BLOCK_LEN]) -> f32 {
        sum(&std::array::from_fn(|i| {
            let missed = self.scale * integers[i] + self.min - weights[i];
            missed * missed
        }))
    }

    /// The line of least squares through (integer, weight); none where all integers are equal.
    fn fitted(weights: &[f32; BLOCK_LEN], integers: &[f32; BLOCK_LEN]) -> Option<Self> {
        let of = |term: &dyn Fn(usize) -> f32| sum(&std::array::from_fn(term));
        let (q, w) = (of(&|i| integers[i]), of(&|i| weights[i]));
        let (qq, qw) = (of(&|i| integers[i] * integers[i]), of(&|i| integers[i] * weights[i]));
        let n = BLOCK_LEN as f32;
        let spread = n * qq - q * q;
        let scale = (n * qw - q * w) / spread;
        (spread > 0.0 && scale > 0.0).then(|| Self::new(scale, (w - scale * q) / n))
    }
}

/// A sum in eight chains, so that it is computed in vectors.
fn sum(terms: &[f32; BLOCK_LEN]) -> f32 {
    let mut chains = [0.0_f32; 8];
    for terms in terms.chunks_exact(8) {
        chains.iter_mut().zip(terms).for_each(|(chain, term)| *chain += term);
    }
    chains.iter().sum()
}

/// A block of `Q4_1` near up to 32 weights, which are finite and within [`crate::Format::largest`]: of a few choices that are fitted by
/// least squares the one with the least error.
pub fn quantise(weights: &[f32]) -> Unit {
    let low = weights.iter().copied().fold(f32::INFINITY, f32::min);
    let high = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // What is missing in the last block of a row counts as the least value there is.
    let mut block = [low; BLOCK_LEN];
    block[..weights.len()].copy_from_slice(weights);
    let mut best = (f32::INFINITY, Line::new(0.0, 0.0), [0.0; BLOCK_LEN]);
    for span in SPANS {
        let missed = (high - low) * (1.0 - span) / 2.0;
        let mut line = Some(Line::new((high - low) * span / MOST, low + missed));
        for _ in 0..=FITS {
            let Some(tried) = line else { break };
            let integers = tried.integers(&block);
            let error = tried.error(&block, &integers);
            if error < best.0 {
                best = (error, tried, integers);
            }
            line = Line::fitted(&block, &integers);
        }
    }
    let (_, line, integers) = best;
    let mut unit = Unit { scale: f16::from_f32(line.scale), min: f16::from_f32(line.min), ..Unit::ZERO };
    unit.q[0] = integers.map(|q| q as u8);
    unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    fn error(weights: &[f32]) -> (f64, f64) {
        let mut values = vec![9.0; weights.len()];
        quantise(weights).dequantise(Format::Q4_1, &mut values);
        let missed = weights.iter().zip(&values).map(|(w, v)| f64::from(w - v).powi(2)).sum();
        (missed, weights.iter().map(|w| f64::from(*w).powi(2)).sum())
    }

    #[test]
    fn what_4_bits_can_be_is_kept() {
        let exact: Vec<f32> = (0..32).map(|i| 0.25 * (i * 7 % 16) as f32 - 1.5).collect();
        assert!(error(&exact).0 < 1e-12);
        for same in [[0.0; 32], [-2.5; 32], [65504.0; 32], [-65504.0; 32]] {
            assert!(error(&same).0 < 1e-12, "{same:?}");
        }
        assert!(error(&[0.5]).0 < 1e-12 && error(&[-1.0, 1.0]).0 < 1e-6);
        let far: Vec<f32> = (0..32).map(|i| if i % 2 == 0 { 65504.0 } else { -65504.0 }).collect();
        assert!(quantise(&far).is_finite());
    }

    /// Sums of twelve numbers of equal chances are nearly normal. Between the least and the greatest of 32 the plain 16 values miss
    /// 7.8 %; those here about 7.2 %.
    #[test]
    fn nearer_than_equal_steps_between_the_extremes() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let weights: Vec<f32> = (0..64_000).map(|_| (0..12).map(|_| random()).sum::<f32>() - 6.0).collect();
        let (mut missed, mut plain, mut squares) = (0.0, 0.0, 0.0);
        for block in weights.chunks_exact(32) {
            let (error, square) = error(block);
            (missed, squares) = (missed + error, squares + square);
            let (low, high) = block.iter().fold((f32::MAX, f32::MIN), |(l, h), w| (l.min(*w), h.max(*w)));
            let step = (high - low) / 15.0;
            plain += block.iter().map(|w| f64::from(((w - low) / step).round() * step + low - w).powi(2)).sum::<f64>();
        }
        let relative = |missed: f64| (missed / squares).sqrt();
        assert!((0.06..0.075).contains(&relative(missed)), "{}", relative(missed));
        assert!(missed < 0.9 * plain, "{} against {}", relative(missed), relative(plain));
    }
}
