//! The launch of a norm.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};

/// What a norm reads and what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormTypes {
    /// Single precision to the same.
    Single,
    /// Single precision to bfloat16: what a product by tensor cores reads.
    SingleToBf16,
    /// bfloat16 to the same.
    Bf16,
}

/// `out = (residual +) (x + added) / sqrt(mean((x + added)^2) + eps) * (offset + weight)`, of rows or of each head of them.
#[derive(Clone, Copy, Debug)]
pub struct NormLaunch {
    /// The types of `x` and `out`.
    pub types: NormTypes,
    /// `[rows, stride]`; gets the sum with `added`, where there is one.
    pub x: Address,
    /// `[rows, stride]` in single precision, or none.
    pub added: Address,
    /// `[hidden]` in single precision.
    pub weight: Address,
    /// `[rows, out_stride]` in single precision, or none; may be `out`.
    pub residual: Address,
    /// `[rows, out_stride]`; may be `x`.
    pub out: Address,
    /// Rows.
    pub rows: usize,
    /// Parts of a row that are normalised each alone, one after another from the row's start: 1, or a number of heads.
    pub group: usize,
    /// Values normalised together.
    pub hidden: usize,
    /// Values from one row of `x` to the next.
    pub stride: usize,
    /// Values from one row of `out` to the next.
    pub out_stride: usize,
    /// Added to the mean square.
    pub eps: f32,
    /// Added to each weight: 1 where a family stores them so.
    pub offset: f32,
}

impl NormLaunch {
    /// The launch.
    ///
    /// # Errors
    /// If parts do not fit into a row, or a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        let Self { hidden, group, stride, out_stride, .. } = *self;
        if hidden == 0 || group * hidden > stride.min(out_stride) {
            bail!("norm: {group} parts of {hidden} values in rows of {stride} and {out_stride}")
        }
        let kernel = match self.types {
            NormTypes::Single => "rms_norm_f32_f32",
            NormTypes::SingleToBf16 => "rms_norm_f32_bf16",
            NormTypes::Bf16 => "rms_norm_bf16_bf16",
        };
        // About eight values a thread.
        let threads = (hidden / 8).next_multiple_of(32).clamp(32, 512);
        Arguments::new(&[self.x, self.added, self.weight, self.residual, self.out])
            .sizes(&[("hidden", hidden), ("group", group), ("stride", stride), ("out_stride", out_stride)])?
            .numbers(&[self.eps, self.offset])
            .launch(kernel, [self.rows * group, 1, 1], threads as u32)
    }
}
