//! How a packed matrix stores its values, and where they are in a tile.

/// Inputs in a block.
pub const BLOCK_LEN: usize = 32;

/// Outputs in a tile.
pub const TILE: usize = 16;

/// Blocks in a unit of the K formats, whose scales are themselves products with a number for the whole unit.
pub const UNIT_BLOCKS: usize = 8;

/// How a tile keeps its values. Of the quantised formats, whose names are GGUF's, the value of the integer `q` is
///
/// * `scale * (q - offset)`: `Q4_0` (offset 8), `Q5_0` (16), `Q8_0` (128);
/// * `scale * q + min`: `Q4_1`, `Q5_1`;
/// * `scale * s * q + min * m`: `Q4K`, `Q5K`, with 6-bit integers `s` and `m` for each block;
/// * `scale * s * (q - 32)`: `Q6K`, with an 8-bit integer `s` for each half of a block;
/// * `scale * v[q]`: `Iq4Nl`, and `scale * s * v[q]`: `Iq4Xs`, with the 16 values `v` of `CODEBOOK` and an 8-bit integer `s` for each
///   block;
///
/// where `scale` and `min` are half precision and belong to a unit: a block of 32 inputs, or 8 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// 4 bits and a scale: 4.5 bits a value.
    Q4_0,
    /// 4 bits, a scale and a minimum: 5 bits a value.
    Q4_1,
    /// 5 bits and a scale: 5.5 bits a value.
    Q5_0,
    /// 5 bits, a scale and a minimum: 6 bits a value.
    Q5_1,
    /// 8 bits and a scale: 8.5 bits a value.
    Q8_0,
    /// 4 bits; scales and minima in two stages: 4.625 bits a value.
    Q4K,
    /// 5 bits; scales and minima in two stages: 5.625 bits a value.
    Q5K,
    /// 6 bits; scales in two stages: 6.625 bits a value.
    Q6K,
    /// 4 bits that choose one of 16 values, and a scale: 4.5 bits a value.
    Iq4Nl,
    /// The same with scales in two stages: 4.3125 bits a value.
    Iq4Xs,
    /// Single precision.
    F32,
}

/// The 16 values that the integers of `Iq4Nl` and `Iq4Xs` choose, ggml's `kvalues_iq4nl`, plus 128.
pub const CODEBOOK: [u8; 16] = {
    let values: [i16; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    let (mut shifted, mut i) = ([0; 16], 0);
    while i < values.len() {
        shifted[i] = (values[i] + 128) as u8;
        i += 1;
    }
    shifted
};

impl Format {
    /// Every quantised format.
    pub const QUANTISED: [Self; 10] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Iq4Xs,
    ];

    /// Blocks that share one half-precision scale.
    pub const fn unit_blocks(self) -> usize {
        if self.is_staged() { UNIT_BLOCKS } else { 1 }
    }

    /// Whether a block's scale is a product with a number for the whole unit.
    pub const fn is_staged(self) -> bool {
        matches!(self, Self::Q4K | Self::Q5K | Self::Q6K | Self::Iq4Xs)
    }

    /// Whether the two halves of a block have separate scales.
    pub const fn has_half_scales(self) -> bool {
        matches!(self, Self::Q6K)
    }

    /// Whether the integers choose values of `CODEBOOK`.
    pub const fn has_codebook(self) -> bool {
        matches!(self, Self::Iq4Nl | Self::Iq4Xs)
    }

    /// Whether a value has a minimum added.
    pub const fn has_min(self) -> bool {
        matches!(self, Self::Q4_1 | Self::Q5_1 | Self::Q4K | Self::Q5K)
    }

    /// Bits of a quantised value.
    pub const fn bits(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q4K | Self::Iq4Nl | Self::Iq4Xs => 4,
            Self::Q5_0 | Self::Q5_1 | Self::Q5K => 5,
            Self::Q6K => 6,
            Self::Q8_0 => 8,
            Self::F32 => 32,
        }
    }

    /// Bits of the integer that is multiplied: a quantised value, or what it chooses.
    pub const fn value_bits(self) -> usize {
        if self.has_codebook() { 8 } else { self.bits() }
    }

    /// The integer whose value is 0, where there is no minimum: half of the integers' range.
    pub const fn offset(self) -> u8 {
        if self.has_min() || matches!(self, Self::F32) { 0 } else { 1 << (self.value_bits() - 1) }
    }

    /// The largest size of a weight that is rounded to it: 127 steps of the largest half-precision scale with 8 bits and, so that the same
    /// weights are taken, in single precision; the largest half-precision number as a minimum.
    pub const fn largest(self) -> f32 {
        if self.has_min() { 65504.0 } else { 127.0 * 65504.0 }
    }

    /// Factors of a block in the formats of two stages.
    pub(crate) const fn factors(self) -> usize {
        if self.has_codebook() { 1 } else { 2 }
    }

    /// Whether these factors may be below 0.
    pub(crate) const fn has_signed_factors(self) -> bool {
        !self.has_min()
    }

    /// Where the factors number `which` of a block lie in a unit of a tile, a byte for each output.
    pub(crate) const fn factor(self, block: usize, which: usize) -> usize {
        // Formats with two factors have room for minima before them.
        2 * self.factors() * TILE + (self.factors() * block + which) * TILE
    }

    /// Where the quantised values of the first block lie in a unit of a tile; before them are 16 scales, 16 minima where there are
    /// any, and the factors of the two stages.
    pub(crate) const fn body(self) -> usize {
        match self {
            Self::F32 => 0,
            _ if self.is_staged() => self.factor(UNIT_BLOCKS, 0),
            _ if self.has_min() => 4 * TILE,
            _ => 2 * TILE,
        }
    }

    /// Bytes of the quantised values of a block of a tile.
    pub(crate) const fn body_bytes(self) -> usize {
        TILE * BLOCK_LEN * self.bits() / 8
    }

    /// Bytes of a unit of a tile.
    pub(crate) const fn unit_bytes(self) -> usize {
        self.body() + self.unit_blocks() * self.body_bytes()
    }
}

/// A format that is known to the compiler.
pub trait Known {
    /// The format.
    const FORMAT: Format;
}

macro_rules! known {
    ($($format:ident)+) => {
        /// A type for each quantised format.
        pub mod known {
            $(pub struct $format;
            impl $crate::format::Known for $format {
                const FORMAT: $crate::format::Format = $crate::format::Format::$format;
            })+
        }

        /// Call a function that is generic over a quantised format's type.
        macro_rules! for_format {
            ($value:expr, $k:ident => $call:expr) => {
                match $value {
                    $($crate::format::Format::$format => { type $k = $crate::format::known::$format; $call })+
                    $crate::format::Format::F32 => unreachable!("single precision is not a quantised format"),
                }
            };
        }
        pub(crate) use for_format;
    };
}
known!(Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4K Q5K Q6K Iq4Nl Iq4Xs);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_a_value() {
        let bits = |format: Format| (format.unit_bytes() * 8) as f64 / (TILE * BLOCK_LEN * format.unit_blocks()) as f64;
        let want = [4.5, 5.0, 5.5, 6.0, 8.5, 4.625, 5.625, 6.625, 4.5, 4.3125];
        assert_eq!(Format::QUANTISED.map(bits), want);
    }
}
