//! `y = f(x) W^T + b (+ residual)`: every weight matrix of the model.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, bail};

use crate::activation::Activations;
use crate::dispatch::for_each_isa;
use crate::exp::silu;
use crate::packed::{PackedWeights, TILE};
use crate::shared::SharedSlice;
use crate::tile::for_each_row;
use crate::{Isa, Pool, RmsNorm};

/// What is done to a row before it meets the weights.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Nothing: `x` is `[rows, inputs]`.
    Plain,
    /// Normalised: `x` is `[rows, inputs]`.
    Norm(&'a RmsNorm),
    /// `silu(gate) * up`: `x` is `[rows, 2 * inputs]`, the gates first.
    SwiGlu,
}

/// A weight matrix `[outputs, inputs]` with an optional bias.
#[derive(Clone, Debug)]
pub enum Linear {
    /// On the CPU: tiles, run by the pool's threads.
    Packed {
        /// The matrix.
        weights: Arc<PackedWeights>,
        /// `[outputs]`.
        bias: Option<Arc<[f32]>>,
        /// Who computes.
        pool: Arc<Pool>,
    },
    /// On any device: plain candle. The twin of the packed form.
    Dense {
        /// `[outputs, inputs]`.
        weight: Tensor,
        /// `[outputs]`.
        bias: Option<Tensor>,
    },
}

impl Linear {
    /// `[rows, inputs]` (or `[rows, 2 * inputs]` with [`Input::SwiGlu`]) to `[rows, outputs]`, plus `residual`
    /// `[rows, outputs]` where given.
    ///
    /// # Errors
    /// If a shape does not agree.
    pub fn forward(&self, x: &Tensor, input: Input<'_>, residual: Option<&Tensor>) -> Result<Tensor> {
        match self {
            Self::Packed { weights, bias, pool } => {
                let op = PackedLinear { weights, bias: bias.as_deref(), pool, input, isa: pool.isa() };
                match residual {
                    None => x.apply_op1_no_bwd(&op),
                    Some(residual) => x.apply_op2_no_bwd(residual, &op),
                }
            }
            Self::Dense { weight, bias } => {
                let x = input.twin(x)?;
                let mut y = x.matmul(&weight.t()?)?;
                if let Some(bias) = bias {
                    y = y.broadcast_add(bias)?;
                }
                match residual {
                    None => Ok(y),
                    Some(residual) => y + residual,
                }
            }
        }
    }

    /// The twin of a packed matrix: the same numbers, multiplied by plain candle on the CPU.
    ///
    /// # Errors
    /// If candle refuses the matrix.
    pub fn twin(&self) -> Result<Self> {
        let Self::Packed { weights, bias, .. } = self else { return Ok(self.clone()) };
        let device = candle_core::Device::Cpu;
        let weight = Tensor::from_vec(weights.to_f32(), (weights.outputs(), weights.inputs()), &device)?;
        let bias = bias.as_deref().map(|b| Tensor::from_slice(b, b.len(), &device)).transpose()?;
        Ok(Self::Dense { weight, bias })
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Packed { weights, .. } => weights.outputs(),
            Self::Dense { weight, .. } => weight.dims()[0],
        }
    }

    /// Bytes of weights held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Packed { weights, .. } => weights.bytes(),
            Self::Dense { weight, .. } => weight.elem_count() * weight.dtype().size_in_bytes(),
        }
    }
}

impl Input<'_> {
    fn twin(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain => Ok(x.clone()),
            Self::Norm(norm) => norm.twin(x),
            Self::SwiGlu => {
                let half = x.dim(D::Minus1)? / 2;
                let gate = x.narrow(D::Minus1, 0, half)?.contiguous()?;
                gate.silu()? * x.narrow(D::Minus1, half, half)?.contiguous()?
            }
        }
    }

    /// Values of `x` in a row that gives `inputs` inputs.
    fn width(self, inputs: usize) -> usize {
        if matches!(self, Self::SwiGlu) { 2 * inputs } else { inputs }
    }

    pub(crate) fn row(self, isa: Isa, x: &[f32], out: &mut [f32]) {
        match self {
            Self::Plain => out.copy_from_slice(x),
            Self::Norm(norm) => norm.row(isa, x, out),
            Self::SwiGlu => {
                let (gate, up) = x.split_at(out.len());
                swiglu_row(isa, gate, up, out);
            }
        }
    }
}

for_each_isa! {
    fn swiglu_row(gate: &[f32], up: &[f32], out: &mut [f32]) = swiglu_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn swiglu_body<const FUSED: bool>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
        *out = silu(*g) * u;
    }
}

/// The values of a contiguous single-precision `[rows, width]` argument.
pub(crate) fn rows_of<'s>(
    name: &str,
    storage: &'s CpuStorage,
    layout: &Layout,
    width: usize,
) -> Result<(usize, &'s [f32])> {
    let (Some((start, end)), [rows, columns]) = (layout.contiguous_offsets(), layout.dims()) else {
        bail!("{name}: a contiguous matrix is expected, not {layout:?}")
    };
    if *columns != width {
        bail!("{name}: rows of {width} values are expected, not {columns}")
    }
    Ok((*rows, &storage.as_slice::<f32>()?[start..end]))
}

struct PackedLinear<'a> {
    weights: &'a PackedWeights,
    bias: Option<&'a [f32]>,
    pool: &'a Pool,
    input: Input<'a>,
    isa: Isa,
}

impl PackedLinear<'_> {
    fn run(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        residual: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let (w, inputs, outputs) = (self.weights, self.weights.inputs(), self.weights.outputs());
        let width = self.input.width(inputs);
        let (rows, x) = rows_of("linear", x, layout, width)?;
        let residual = match residual {
            Some((storage, layout)) => {
                let (count, values) = rows_of("linear's residual", storage, layout, outputs)?;
                if count != rows {
                    bail!("linear: {rows} rows but {count} rows of residual")
                }
                Some(values)
            }
            None => None,
        };
        let activations = Activations::prepare(self.isa, self.pool, w.format(), rows, inputs, &|row, out| {
            self.input.row(self.isa, &x[row * width..(row + 1) * width], out);
        });
        let mut out = vec![0.0_f32; rows * outputs];
        let shared = SharedSlice::new(&mut out);
        self.pool.run_ranges(w.tiles(), 1, &|first, last| {
            for_each_row(self.isa, w, first..last, &activations, rows, &mut |tile, row, sums| {
                let start = tile * TILE;
                let len = TILE.min(outputs - start);
                let at = row * outputs + start;
                // SAFETY: each tile belongs to one range, so its outputs in each row are written by one task.
                let out = unsafe { shared.part(at, len) };
                let bias = self.bias.map(|bias| &bias[start..start + len]);
                let residual = residual.map(|residual| &residual[at..at + len]);
                match out.as_mut_array::<TILE>() {
                    // Of a known length: a few vector instructions.
                    Some(out) => store(out, sums, bias, residual),
                    None => store(out, &sums[..len], bias, residual),
                }
            });
        });
        Ok((CpuStorage::F32(out), Shape::from((rows, outputs))))
    }
}

/// `out = sums (+ bias) (+ residual)`, all of one length.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the length is known where this is called")]
fn store(out: &mut [f32], sums: &[f32], bias: Option<&[f32]>, residual: Option<&[f32]>) {
    out.copy_from_slice(sums);
    for values in [bias, residual].into_iter().flatten() {
        out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
    }
}

impl CustomOp1 for PackedLinear<'_> {
    fn name(&self) -> &'static str {
        "packed-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(x, layout, None)
    }
}

impl CustomOp2 for PackedLinear<'_> {
    fn name(&self) -> &'static str {
        "packed-linear-add"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, r: &CpuStorage, lr: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(x, lx, Some((r, lr)))
    }
}
