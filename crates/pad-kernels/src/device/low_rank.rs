//! The launches of low-rank additions.

use candle_core::{Result, bail};

use super::launch::{Address, Arguments, Launch};
use crate::LowRank;

/// `y = base + B (A x) (+ bias)` for tasks: each takes one row through one of several parts of equal shape.
#[derive(Clone, Copy, Debug)]
pub struct LowRankLaunch {
    /// `[rows, x_stride]`.
    pub x: Address,
    /// A of each part, `[parts, rank, inputs]`.
    pub down: Address,
    /// B of each part, transposed and scaled, `[parts, rank, outputs]`.
    pub up: Address,
    /// `[parts, outputs]`, or none.
    pub bias: Address,
    /// `[rows, base_stride]`, or none: 0.
    pub base: Address,
    /// Room for `[tasks, rank]`.
    pub product: Address,
    /// `[.., y_stride]`; may be `base` where each task's target is its row.
    pub y: Address,
    /// `[tasks]`, `u32`: the row of `x` and `base`.
    pub rows: Address,
    /// `[tasks]`, `u32`: the part.
    pub parts: Address,
    /// `[tasks]`, `u32`: the row of `y`, another one for each task.
    pub targets: Address,
    /// Number of tasks.
    pub tasks: usize,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Rank of each part.
    pub rank: usize,
    /// Values from row to row of `x`.
    pub x_stride: usize,
    /// Values from row to row of `base`.
    pub base_stride: usize,
    /// Values from row to row of `y`.
    pub y_stride: usize,
}

impl LowRankLaunch {
    /// The two launches, to be run one after the other.
    ///
    /// # Errors
    /// If the rank is out of range or a row is longer than its stride.
    pub fn launches(&self) -> Result<[Launch; 2]> {
        let Self { tasks, inputs, outputs, rank, x_stride, base_stride, y_stride, .. } = *self;
        LowRank::check_rank(rank)?;
        if inputs > x_stride || outputs > y_stride || (self.base != Address::NONE && outputs > base_stride) {
            bail!("low rank: {inputs} inputs and {outputs} outputs in rows of {x_stride}, {base_stride} and {y_stride}")
        }
        let addresses = [
            self.x,
            self.down,
            self.up,
            self.bias,
            self.base,
            self.product,
            self.y,
            self.rows,
            self.parts,
            self.targets,
        ];
        let arguments = Arguments::new(&addresses)
            .sizes(&[("inputs", inputs), ("outputs", outputs), ("rank", rank)])?
            .sizes(&[("x_stride", x_stride), ("base_stride", base_stride), ("y_stride", y_stride)])?;
        Ok([
            arguments.clone().launch("low_rank_down", [rank.div_ceil(4), tasks, 1], 128)?,
            arguments.launch("low_rank_up", [outputs.div_ceil(128), tasks, 1], 128)?,
        ])
    }
}
