//! How the kernels find matrices and caches stored.

use candle_core::{Result, bail};

use crate::Encoding;

/// The formats of matrices that kernels read as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// Single precision.
    F32,
    /// The upper half of single precision.
    Bf16,
    /// Half precision.
    F16,
    /// ggml's `Q4_K`.
    Q4K,
    /// ggml's `Q6_K`.
    Q6K,
    /// ggml's `Q8_0`.
    Q80,
}

impl StoredAs {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::F32, Self::Bf16, Self::F16, Self::Q4K, Self::Q6K, Self::Q80];

    /// The same as files call it.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::F32 => Encoding::F32,
            Self::Bf16 => Encoding::BF16,
            Self::F16 => Encoding::F16,
            Self::Q4K => Encoding::Q4K,
            Self::Q6K => Encoding::Q6K,
            Self::Q80 => Encoding::Q8_0,
        }
    }

    /// As the names of kernels have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q4K => "q4k",
            Self::Q6K => "q6k",
            Self::Q80 => "q8_0",
        }
    }

    /// Inputs of a row come in multiples of this.
    pub fn multiple(self) -> usize {
        match self {
            // What 16 bytes hold.
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 8,
            Self::Q4K | Self::Q6K | Self::Q80 => self.encoding().block().0,
        }
    }

    /// Refuse rows of so many inputs that a kernel cannot read.
    ///
    /// # Errors
    /// If there are no inputs, or they do not fill whole units.
    pub fn check(self, inputs: usize) -> Result<()> {
        if inputs == 0 || !inputs.is_multiple_of(self.multiple()) {
            bail!("rows of {inputs} weights as {self:?}; multiples of {} are allowed", self.multiple())
        }
        Ok(())
    }
}

/// How a cache keeps keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
}

impl CellType {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// As the names of kernels have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}
