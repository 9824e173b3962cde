//! The launch that joins gates and ups.

use candle_core::Result;

use super::launch::{Address, Arguments, Launch};
use crate::Gate;

/// `out = f(gate) * up`.
#[derive(Clone, Copy, Debug)]
pub struct GateLaunch {
    /// f.
    pub gate: Gate,
    /// Whether `out` is bfloat16; else it is in single precision.
    pub bf16: bool,
    /// `[rows, 2 * width]` in single precision: gates, then ups.
    pub both: Address,
    /// `[rows, width]`.
    pub out: Address,
    /// Rows.
    pub rows: usize,
    /// Gates of a row.
    pub width: usize,
}

impl GateLaunch {
    /// The launch.
    ///
    /// # Errors
    /// If a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        let function = match self.gate {
            Gate::Silu => "silu",
            Gate::GeluTanh => "gelu",
        };
        Arguments::new(&[self.both, self.out]).sizes(&[("width", self.width)])?.launch(
            format!("gated_{function}_{}", if self.bf16 { "bf16" } else { "f32" }),
            [self.width.div_ceil(256), self.rows, 1],
            256,
        )
    }
}
