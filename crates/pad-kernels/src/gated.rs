//! `silu(f(x) G^T) * (f(x) U^T)`: gate and up of a feed-forward part, and what joins them.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, D, Device, Layout, Result, Shape, Tensor};

use crate::dispatch::for_each_isa;
use crate::exp::silu;
use crate::packed::{PackedWeights, TILE};
use crate::product::{Place, Product, rows_of};
use crate::{Input, Linear, Pool};

/// Two weight matrices `[width, inputs]` that read the same input.
#[derive(Clone, Debug)]
pub enum Gated {
    /// On the CPU: the tiles of both take turns, so that a gate and its up are computed together and neither is stored.
    Packed {
        /// Gate `i` is output [`Gated::place`]`(0, i)`, up `i` is output `place(1, i)`; what lies between is 0.
        weights: Arc<PackedWeights>,
        /// In the same order.
        bias: Option<Arc<[f32]>>,
        /// Number of gates.
        width: usize,
        /// Who computes.
        pool: Arc<Pool>,
    },
    /// On any device: plain candle. The twin of the packed form.
    Dense {
        /// Gates, then ups: `[2 * width, inputs]`.
        linear: Linear,
    },
}

impl Gated {
    /// The output of the packed matrix that is row `i` of the gates (`part` 0) or the ups (`part` 1).
    pub fn place(part: usize, i: usize) -> usize {
        (2 * (i / TILE) + part) * TILE + i % TILE
    }

    /// Outputs of the packed matrix for `width` gates.
    pub fn packed_outputs(width: usize) -> usize {
        2 * width.div_ceil(TILE) * TILE
    }

    /// `[rows, inputs]` to `[rows, width]`.
    ///
    /// # Errors
    /// If a shape does not agree.
    pub fn forward(&self, x: &Tensor, input: Input<'_>) -> Result<Tensor> {
        match self {
            Self::Packed { weights, bias, width, pool } => {
                let product = Product { weights, pool, input };
                x.apply_op1_no_bwd(&PackedGated { product, bias: bias.as_deref(), width: *width })
            }
            Self::Dense { linear } => {
                let both = linear.forward(x, input, None)?;
                let width = linear.outputs() / 2;
                let gate = both.narrow(D::Minus1, 0, width)?.contiguous()?;
                gate.silu()? * both.narrow(D::Minus1, width, width)?.contiguous()?
            }
        }
    }

    /// The twin of packed matrices: the same numbers, multiplied by plain candle on the CPU.
    ///
    /// # Errors
    /// If candle refuses the matrix.
    pub fn twin(&self) -> Result<Self> {
        let Self::Packed { weights, bias, width, .. } = self else { return Ok(self.clone()) };
        let order = || (0..2).flat_map(|part| (0..*width).map(move |i| Self::place(part, i)));
        let mut values = Vec::with_capacity(2 * width * weights.inputs());
        let mut row = vec![0.0; weights.inputs()];
        for place in order() {
            weights.row(place, &mut row);
            values.extend_from_slice(&row);
        }
        let weight = Tensor::from_vec(values, (2 * width, weights.inputs()), &Device::Cpu)?;
        let bias = bias.as_deref().map(|bias| order().map(|place| bias[place]).collect::<Vec<_>>());
        let bias = bias.map(|bias| Tensor::from_vec(bias, 2 * width, &Device::Cpu)).transpose()?;
        Ok(Self::Dense { linear: Linear::Dense { weight, bias } })
    }

    /// Bytes of weights held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Packed { weights, .. } => weights.bytes(),
            Self::Dense { linear } => linear.bytes(),
        }
    }
}

struct PackedGated<'a> {
    product: Product<'a>,
    bias: Option<&'a [f32]>,
    width: usize,
}

impl CustomOp1 for PackedGated<'_> {
    fn name(&self) -> &'static str {
        "packed-gated"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, x) = rows_of("gated", x, layout, self.product.weights.inputs())?;
        let isa = self.product.pool.isa();
        let store = |place: &Place<'_, '_>, [gates, ups]: [&[[f32; TILE]]; 2]| {
            let bias = self.bias.map(|bias| &bias[2 * place.start..2 * (place.start + TILE)]);
            join(isa, place, gates, ups, bias);
        };
        // SAFETY: `join` writes every row of the sums.
        let out = unsafe { self.product.run(rows, x, self.width, &store) };
        Ok((CpuStorage::F32(out), Shape::from((rows, self.width))))
    }
}

for_each_isa! {
    /// `silu(gate) * up` of some rows of a pair of tiles, `bias` being 16 of the gates and 16 of the ups.
    fn join(place: &Place<'_, '_>, gates: &[[f32; TILE]], ups: &[[f32; TILE]], bias: Option<&[f32]>) = join_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn join_body<const FUSED: bool>(
    place: &Place<'_, '_>,
    gates: &[[f32; TILE]],
    ups: &[[f32; TILE]],
    bias: Option<&[f32]>,
) {
    let mut added = [0.0; 2 * TILE];
    if let Some(bias) = bias {
        added.copy_from_slice(bias);
    }
    for (i, (gates, ups)) in gates.iter().zip(ups).enumerate() {
        let mut joined = [0.0; TILE];
        for (j, joined) in joined.iter_mut().enumerate() {
            *joined = silu(gates[j] + added[j]) * (ups[j] + added[TILE + j]);
        }
        place.write(i, |j| joined[j]);
    }
}
