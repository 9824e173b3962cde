//! How the numbers of keys and values are kept, and where they lie in a block.

use candle_core::DType;

use crate::kv_layout::{BLOCK, KvLayout};

/// How a cache keeps the numbers of keys and values. Its cells are numbers, or the bytes of integers and of their scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvFormat {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// `scale * q` with an integer `q` of -127 to 127; each head has a scale, in single precision, for its key and one for its value at
    /// each position. A number is off by at most half of the scale, which is 1/254 of the largest number of its key or value.
    Q8,
}

/// Bytes of a scale.
const SCALE: usize = size_of::<f32>();

impl KvFormat {
    /// The type of its cells.
    pub const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Q8 => DType::U8,
        }
    }

    /// Whether cells are multiples of scales.
    pub(crate) const fn has_scales(self) -> bool {
        matches!(self, Self::Q8)
    }

    /// Cells of the scales of one head's keys in a block, or of its values.
    const fn scale_cells(self) -> usize {
        if self.has_scales() { BLOCK * SCALE } else { 0 }
    }

    /// Cells of one KV head in a block: its keys, its values, the scales of the keys, those of the values.
    pub(crate) const fn head_cells(self, layout: KvLayout) -> usize {
        layout.head_len() + 2 * self.scale_cells()
    }

    /// Cells of one block of one layer.
    pub const fn block_cells(self, layout: KvLayout) -> usize {
        layout.kv_heads * self.head_cells(layout)
    }

    /// Bytes of one position of one layer.
    pub fn position_bytes(self, layout: KvLayout) -> usize {
        self.block_cells(layout) * self.dtype().size_in_bytes() / BLOCK
    }
}

/// The scale of a key or a value: its largest size is 127 of it. Not a number where one of `numbers` is none.
pub fn scale(numbers: &[f32]) -> f32 {
    // Sizes are ordered as their bits are, what is no number above them.
    let largest = numbers.iter().map(|number| number.to_bits() & 0x7fff_ffff).max().unwrap_or(0);
    f32::from_bits(largest) / 127.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_is_127_of_the_scale() {
        assert_eq!(scale(&[1.0, -254.0, 3.0]), 2.0);
        assert_eq!((scale(&[]), scale(&[0.0, -0.0])), (0.0, 0.0));
        assert!(scale(&[1.0, f32::NAN, 2.0]).is_nan() && scale(&[f32::INFINITY]).is_infinite());
    }

    #[test]
    fn a_position_of_8_bits_is_little_more_than_half_of_half_precision() {
        let layout = KvLayout { heads: 9, kv_heads: 3, head_dim: 64 };
        let bytes = [KvFormat::F32, KvFormat::F16, KvFormat::Q8].map(|format| format.position_bytes(layout));
        assert_eq!(bytes, [2 * 3 * 64 * 4, 2 * 3 * 64 * 2, 2 * 3 * (64 + 4)]);
    }
}
