//! What all layers of a model have in common, and their norms.

use pad_kernels::device::{Address, CellType, NormLaunch, NormTypes};
use pad_kernels::{Gate, KvLayout};
use pad_model::ModelError;

use crate::queue::Queue;

/// What all layers have in common.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub layout: KvLayout,
    pub cell: CellType,
    pub hidden: usize,
    pub width: usize,
    pub eps: f32,
    pub gate: Gate,
}

/// A norm's weight and its length.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    pub weight: Address,
    pub len: usize,
}

impl Shape {
    /// `out = (residual +) norm(x)` of `group` parts of each of so many rows, `stride` values apart.
    pub fn norm(
        &self,
        queue: &mut Queue,
        norm: Norm,
        (x, residual, out): (Address, Address, Address),
        (rows, group, stride): (usize, usize, usize),
    ) -> Result<(), ModelError> {
        let launch = NormLaunch {
            types: NormTypes::Single,
            x,
            added: Address::NONE,
            weight: norm.weight,
            residual,
            out,
            rows,
            group,
            hidden: norm.len,
            stride,
            out_stride: stride,
            eps: self.eps,
            offset: 0.0,
        };
        Ok(queue.run(&launch.launch()?)?)
    }

    /// `x` `[rows, hidden]` as a part reads it.
    pub fn read(
        &self,
        queue: &mut Queue,
        norm: Option<Norm>,
        (x, normed): (Address, Address),
        rows: usize,
    ) -> Result<Address, ModelError> {
        let Some(norm) = norm else { return Ok(x) };
        self.norm(queue, norm, (x, Address::NONE, normed), (rows, 1, self.hidden))?;
        Ok(normed)
    }
}
