//! The launch of a product of few rows.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};
use super::stored::StoredAs;

/// `y = x W^T (+ bias) (+ residual)`, soft-capped where `cap` says so. Up to 8 rows cost one reading of the matrix; every 8 more
/// read it again, from the device's cache. Tensor cores are not used: a library's product is better for many.
#[derive(Clone, Copy, Debug)]
pub struct MatmulLaunch {
    /// How `weights` are stored.
    pub stored: StoredAs,
    /// `[rows, inputs]` in single precision, as everything but the weights; aligned to 16 bytes.
    pub x: Address,
    /// `[outputs, inputs]`, aligned to 16 bytes.
    pub weights: Address,
    /// `[outputs]`, or none.
    pub bias: Address,
    /// `[rows, y_stride]`, or none; may be `y`.
    pub residual: Address,
    /// `[rows, y_stride]`.
    pub y: Address,
    /// Rows.
    pub rows: usize,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Values from row to row of `y` and `residual`.
    pub y_stride: usize,
    /// Results become `cap * tanh(y / cap)`.
    pub cap: Option<f32>,
}

impl MatmulLaunch {
    /// The launch.
    ///
    /// # Errors
    /// If the inputs do not fill whole units of the format, or a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        self.stored.check(self.inputs)?;
        if self.outputs > self.y_stride {
            bail!("matmul: {} outputs in rows of {}", self.outputs, self.y_stride)
        }
        // The instance for so many rows, and the outputs of one of its four warps.
        let (instance, outputs) = match self.rows {
            ..=1 => (1, 4),
            2 => (2, 4),
            3..=4 => (4, 2),
            _ => (8, 2),
        };
        Arguments::new(&[self.x, self.weights, self.bias, self.residual, self.y])
            .sizes(&[("rows", self.rows), ("inputs", self.inputs), ("outputs", self.outputs)])?
            .sizes(&[("y_stride", self.y_stride)])?
            .numbers(&[self.cap.unwrap_or(0.0)])
            .launch(
                format!("matmul_{}_{instance}", self.stored.name()),
                [self.rows.div_ceil(instance), self.outputs.div_ceil(4 * outputs), 1],
                128,
            )
    }
}
