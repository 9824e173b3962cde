//! `y = f(gate) * up`.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use pad_kernels::{Gate, Pool, gated, gated_back};

use super::values::{Values, parallel, piece, slice};

/// The operation.
#[derive(Clone, Debug)]
pub struct Gated {
    /// What the gates go through.
    pub function: Gate,
    /// Who computes.
    pub pool: Arc<Pool>,
}

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(&self, g: &CpuStorage, gl: &Layout, u: &CpuStorage, ul: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (slice(g, gl)?, slice(u, ul)?);
        let mut out = vec![0.0; gate.len()];
        let piece = piece(&self.pool, gate.len(), 1);
        let items = gate.chunks(piece).zip(up.chunks(piece)).zip(out.chunks_mut(piece)).collect();
        parallel(&self.pool, items, |((gate, up), out)| gated(self.pool.isa(), self.function, gate, up, out));
        Ok((CpuStorage::F32(out), gl.shape().clone()))
    }

    fn bwd(&self, g: &Tensor, u: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (gs, us, ds) = (Values::of(g), Values::of(u), Values::of(&grad));
        let (gate, up, d_out) = (gs.slice()?, us.slice()?, ds.slice()?);
        let (mut d_gate, mut d_up) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
        let piece = piece(&self.pool, gate.len(), 1);
        let given = gate.chunks(piece).zip(up.chunks(piece)).zip(d_out.chunks(piece));
        let items = given.zip(d_gate.chunks_mut(piece).zip(d_up.chunks_mut(piece))).collect();
        parallel(&self.pool, items, |(((gate, up), d_out), (d_gate, d_up))| {
            gated_back(self.pool.isa(), self.function, gate, up, d_out, d_gate, d_up);
        });
        let tensor = |values| Tensor::from_vec(values, g.shape(), g.device());
        Ok((Some(tensor(d_gate)?), Some(tensor(d_up)?)))
    }
}
