//! A unit of one row: the values that share one half-precision scale.

use half::f16;

use crate::format::{BLOCK_LEN, CODEBOOK, Format, UNIT_BLOCKS};

/// One block of 32 inputs of one row, or 8 of them, as [`Format`] says what their values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Step between neighbouring values, or what the blocks' factors are multiplied with.
    pub scale: f16,
    /// Value of `q = 0`, or what the blocks' second factors are multiplied with.
    pub min: f16,
    /// The factors of each block, in the formats that have them.
    pub factors: [[u8; 2]; UNIT_BLOCKS],
    /// The quantised values of each block.
    pub q: [[u8; BLOCK_LEN]; UNIT_BLOCKS],
}

impl Unit {
    /// All zeros.
    pub const ZERO: Self =
        Self { scale: f16::ZERO, min: f16::ZERO, factors: [[0; 2]; UNIT_BLOCKS], q: [[0; BLOCK_LEN]; UNIT_BLOCKS] };

    /// The nearest block in `Q8_0` to up to 32 values (missing ones are 0): scale = max |w| / 127.
    pub fn quantise(values: &[f32]) -> Self {
        let max = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let mut unit = Self { scale: f16::from_f32(max / 127.0), ..Self::ZERO };
        let step = unit.scale.to_f32();
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        unit.q[0] = [128; BLOCK_LEN];
        for (q, v) in unit.q[0].iter_mut().zip(values) {
            *q = ((v * inverse).round_ties_even().clamp(-127.0, 127.0) as i32 + 128) as u8;
        }
        unit
    }

    /// Whether its scale and its minimum are numbers.
    pub fn is_finite(&self) -> bool {
        self.scale.is_finite() && self.min.is_finite()
    }

    /// The scale of one half of a block, in single precision: exact.
    pub(crate) fn scale(&self, format: Format, block: usize, half: usize) -> f32 {
        let [first, second] = self.factors[block];
        let scale = self.scale.to_f32();
        match format {
            Format::Q6K => scale * f32::from([first, second][half] as i8),
            Format::Q4K | Format::Q5K => scale * f32::from(first),
            Format::Iq4Xs => scale * f32::from(first as i8),
            _ => scale,
        }
    }

    /// The minimum of a block, in single precision: exact.
    pub(crate) fn min(&self, format: Format, block: usize) -> f32 {
        match format {
            Format::Q4K | Format::Q5K => self.min.to_f32() * f32::from(self.factors[block][1]),
            Format::Q4_1 | Format::Q5_1 => self.min.to_f32(),
            _ => 0.0,
        }
    }

    /// The values in single precision, as many as `out` takes; rounded once, so the same as ggml's.
    pub fn dequantise(&self, format: Format, out: &mut [f32]) {
        let offset = f32::from(format.offset());
        let value = |q: u8| f32::from(if format.has_codebook() { CODEBOOK[usize::from(q)] } else { q });
        for (b, out) in out.chunks_mut(BLOCK_LEN).enumerate() {
            let (min, scales) = (self.min(format, b), [0, 1].map(|half| self.scale(format, b, half)));
            for (half, out) in out.chunks_mut(BLOCK_LEN / 2).enumerate() {
                for (q, out) in self.q[b][half * BLOCK_LEN / 2..].iter().zip(out) {
                    *out = scales[half] * (value(*q) - offset) + min;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_keeps_half_a_step() {
        let values = |unit: &Unit| {
            let mut values = [9.0; 32];
            unit.dequantise(Format::Q8_0, &mut values);
            values
        };
        let source: Vec<f32> = (0..20).map(|i| (i as f32 - 9.5).powi(3) / 100.0).collect();
        let unit = Unit::quantise(&source);
        for (got, want) in values(&unit).iter().zip(source.iter().chain(&[0.0; 12])) {
            assert!((got - want).abs() <= 0.51 * unit.scale.to_f32(), "{got} against {want}");
        }
        assert!(values(&Unit::quantise(&[0.0; 32])).iter().all(|v| *v == 0.0));
    }
}
