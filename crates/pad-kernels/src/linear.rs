//! `y = f(x) W^T + b (+ residual)`.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

use crate::activation::Activations;
use crate::dispatch::for_each_isa;
use crate::format::TILE;
use crate::packed::PackedWeights;
use crate::product::{Place, Product};
use crate::row_argument::rows_of;
use crate::{Input, Pool};

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
    /// `[rows, inputs]` to `[rows, outputs]`, plus `residual` `[rows, outputs]` where given.
    ///
    /// # Errors
    /// If a shape does not agree.
    pub fn forward(&self, x: &Tensor, input: Input<'_>, residual: Option<&Tensor>) -> Result<Tensor> {
        match self {
            Self::Packed { weights, bias, pool } => {
                let op = PackedLinear { product: Product { weights, pool }, input, bias: bias.as_deref() };
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

struct PackedLinear<'a> {
    product: Product<'a>,
    input: Input<'a>,
    bias: Option<&'a [f32]>,
}

impl PackedLinear<'_> {
    fn run(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        residual: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let weights = self.product.weights;
        let outputs = weights.outputs();
        let (rows, x) = rows_of("linear", x, lx, weights.inputs())?;
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
        let out = add_all(&self.product, rows, &self.product.prepare(self.input, rows, x), self.bias, residual);
        Ok((CpuStorage::F32(out), Shape::from((rows, outputs))))
    }
}

/// `[rows, outputs]`: the products, plus `bias` `[outputs]`, plus `residual` `[rows, outputs]`.
pub(crate) fn add_all(
    product: &Product<'_>,
    rows: usize,
    activations: &Activations,
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
) -> Vec<f32> {
    let (outputs, isa) = (product.weights.outputs(), product.pool.isa());
    let store = |place: &Place<'_, '_>, sums: &[[f32; TILE]]| {
        let bias = bias.map(|bias| &bias[place.start..place.start + place.len]);
        let residual = residual.map(|residual| (&residual[place.row * outputs + place.start..], outputs));
        add_up(isa, place, sums, bias, residual);
    };
    // SAFETY: `add_up` writes every row of the sums.
    unsafe { product.run(rows, activations, &store) }
}

for_each_isa! {
    /// Sums, plus a bias, plus a residual with the given stride from row to row.
    fn add_up(place: &Place<'_, '_>, sums: &[[f32; TILE]], bias: Option<&[f32]>, residual: Option<(&[f32], usize)>)
        = add_up_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn add_up_body<const FUSED: bool>(
    place: &Place<'_, '_>,
    sums: &[[f32; TILE]],
    bias: Option<&[f32]>,
    residual: Option<(&[f32], usize)>,
) {
    let mut padded = [0.0; TILE];
    if let Some(bias) = bias {
        padded[..bias.len()].copy_from_slice(bias);
    }
    for (i, sums) in sums.iter().enumerate() {
        match residual {
            None if bias.is_none() => place.write(i, |j| sums[j]),
            None => place.write(i, |j| sums[j] + padded[j]),
            Some((residual, stride)) => {
                let residual = &residual[i * stride..i * stride + place.len];
                match residual.as_array::<TILE>() {
                    Some(residual) => place.write(i, |j| sums[j] + padded[j] + residual[j]),
                    None => place.write(i, |j| sums[j] + padded[j] + residual[j]),
                }
            }
        }
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
