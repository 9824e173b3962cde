//! How files store the values of a matrix.

mod blocks;
mod codebooks;
mod k_blocks;

use half::{bf16, f16};

use crate::format::{BLOCK_LEN, Format};
use crate::unit::Unit;

/// The kinds of values in GGUF and safetensors files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// 4 bits, a scale.
    Q4_0,
    /// 4 bits, a scale and a minimum.
    Q4_1,
    /// 5 bits, a scale.
    Q5_0,
    /// 5 bits, a scale and a minimum.
    Q5_1,
    /// 8 bits, a scale.
    Q8_0,
    /// 2 bits; scales and minima for 16 values in two stages.
    Q2K,
    /// 3 bits; scales for 16 values in two stages.
    Q3K,
    /// 4 bits; scales and minima for 32 values in two stages.
    Q4K,
    /// 5 bits; scales and minima for 32 values in two stages.
    Q5K,
    /// 6 bits; scales for 16 values in two stages.
    Q6K,
    /// 4 bits that choose one of 16 values, a scale.
    Iq4Nl,
    /// The same with scales for 32 values in two stages.
    Iq4Xs,
}

impl Encoding {
    /// All of them, with GGUF's numbers and names.
    pub const ALL: [(Self, u32, &'static str); 15] = [
        (Self::F32, 0, "F32"),
        (Self::F16, 1, "F16"),
        (Self::Q4_0, 2, "Q4_0"),
        (Self::Q4_1, 3, "Q4_1"),
        (Self::Q5_0, 6, "Q5_0"),
        (Self::Q5_1, 7, "Q5_1"),
        (Self::Q8_0, 8, "Q8_0"),
        (Self::Q2K, 10, "Q2_K"),
        (Self::Q3K, 11, "Q3_K"),
        (Self::Q4K, 12, "Q4_K"),
        (Self::Q5K, 13, "Q5_K"),
        (Self::Q6K, 14, "Q6_K"),
        (Self::Iq4Nl, 20, "IQ4_NL"),
        (Self::Iq4Xs, 23, "IQ4_XS"),
        (Self::BF16, 30, "BF16"),
    ];

    /// Of GGUF's number of a tensor type, if it can be read.
    pub fn from_gguf(number: u32) -> Option<Self> {
        Self::ALL.iter().find(|(_, of, _)| *of == number).map(|(encoding, ..)| *encoding)
    }

    /// Values in a block of the file, and bytes.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 | Self::Iq4Nl => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
            Self::Iq4Xs => (256, 136),
        }
    }

    /// Bytes of a row of this many values, if they fill whole blocks.
    pub fn row_bytes(self, values: usize) -> Option<usize> {
        let (len, bytes) = self.block();
        (values.is_multiple_of(len)).then(|| values / len * bytes)
    }

    /// The quantised format that keeps these values with the least loss: without any, but for `F32`, `F16`, `BF16` and `Q2K`, which are
    /// rounded to 8 bits, by at most max |w| / 254 of their block, and 2^-11 of that for the scale's own rounding.
    pub const fn format(self) -> Format {
        match self {
            Self::Q4_0 => Format::Q4_0,
            Self::Q4_1 => Format::Q4_1,
            Self::Q5_0 => Format::Q5_0,
            Self::Q5_1 => Format::Q5_1,
            Self::Q4K => Format::Q4K,
            Self::Q5K => Format::Q5K,
            Self::Q3K | Self::Q6K => Format::Q6K,
            Self::Iq4Nl => Format::Iq4Nl,
            Self::Iq4Xs => Format::Iq4Xs,
            Self::Q8_0 | Self::Q2K | Self::F32 | Self::F16 | Self::BF16 => Format::Q8_0,
        }
    }

    /// Whether its blocks are units of [`Self::format`].
    pub(crate) const fn has_units(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::BF16 | Self::Q2K)
    }

    /// The unit number `unit` of a row, where [`Self::has_units`].
    pub(crate) fn unit(self, row: &[u8], unit: usize) -> Unit {
        let bytes = self.block().1;
        let block = |index: usize| &row[index * bytes..(index + 1) * bytes];
        match self {
            Self::Q4_0 | Self::Q4_1 => blocks::four_bits(block(unit), self == Self::Q4_1),
            Self::Q5_0 | Self::Q5_1 => blocks::five_bits(block(unit), self == Self::Q5_1),
            Self::Q8_0 => blocks::eight_bits(block(unit)),
            Self::Q3K => k_blocks::three_bits(block(unit)),
            Self::Q4K => k_blocks::four_bits(block(unit)),
            Self::Q5K => k_blocks::five_bits(block(unit)),
            Self::Q6K => k_blocks::six_bits(block(unit)),
            Self::Iq4Nl => codebooks::plain(block(unit)),
            Self::Iq4Xs => codebooks::staged(block(unit)),
            Self::F32 | Self::F16 | Self::BF16 | Self::Q2K => unreachable!("{self:?} is read as single precision"),
        }
    }

    /// The values of a row in single precision, exactly ggml's.
    ///
    /// # Panics
    /// If `row` has not the bytes of as many values as `out` takes.
    pub fn dequantise(self, row: &[u8], out: &mut [f32]) {
        assert_eq!(Some(row.len()), self.row_bytes(out.len()), "{self:?}: {} values", out.len());
        let pairs = |bytes: &[u8]| [bytes[0], bytes[1]];
        match self {
            Self::F32 => out
                .iter_mut()
                .zip(row.chunks_exact(4))
                .for_each(|(v, b)| *v = f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            Self::F16 => {
                out.iter_mut().zip(row.chunks_exact(2)).for_each(|(v, b)| *v = f16::from_le_bytes(pairs(b)).to_f32());
            }
            Self::BF16 => {
                out.iter_mut().zip(row.chunks_exact(2)).for_each(|(v, b)| *v = bf16::from_le_bytes(pairs(b)).to_f32());
            }
            Self::Q2K => {
                let (len, bytes) = self.block();
                out.chunks_exact_mut(len).zip(row.chunks_exact(bytes)).for_each(|(v, b)| k_blocks::two_bits(b, v));
            }
            _ => {
                let format = self.format();
                for (unit, out) in out.chunks_mut(format.unit_blocks() * BLOCK_LEN).enumerate() {
                    self.unit(row, unit).dequantise(format, out);
                }
            }
        }
    }
}

fn half_at(bytes: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests;
