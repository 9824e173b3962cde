//! `y = h + U (V^T h) + b` over given hidden states: a head, of which `U`, `V` and `b` are trained.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pad_kernels::{MatrixMut, MatrixView, Pool};

use super::values::{Values, slice};

/// The operation, on `U` and `V` `[hidden, rank]` and `b` `[hidden]`.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// `[rows, hidden]`, given.
    pub states: Arc<Vec<f32>>,
    /// Who computes.
    pub pool: Arc<Pool>,
}

impl LowRank {
    /// `h V`.
    fn narrow(&self, v: &[f32], hidden: usize) -> Vec<f32> {
        let (rows, rank) = (self.states.len() / hidden, v.len() / hidden);
        let mut t = vec![0.0; rows * rank];
        let (h, v) = (MatrixView::new(&self.states, rows, hidden), MatrixView::new(v, hidden, rank));
        MatrixMut::new(&mut t, rank).product_on(&self.pool, h, v, 1.0, false);
        t
    }
}

impl CustomOp3 for LowRank {
    fn name(&self) -> &'static str {
        "low-rank head"
    }

    fn cpu_fwd(
        &self,
        u: &CpuStorage,
        ul: &Layout,
        v: &CpuStorage,
        vl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (u, v, b) = (slice(u, ul)?, slice(v, vl)?, slice(b, bl)?);
        let hidden = b.len();
        let (rows, rank) = (self.states.len() / hidden, v.len() / hidden);
        let mut y = self.states.to_vec();
        y.chunks_exact_mut(hidden).for_each(|row| row.iter_mut().zip(b).for_each(|(y, b)| *y += b));
        let t = self.narrow(v, hidden);
        let (t, u) = (MatrixView::new(&t, rows, rank), MatrixView::new(u, hidden, rank));
        MatrixMut::new(&mut y, hidden).product_on(&self.pool, t, u.transposed(), 1.0, true);
        Ok((CpuStorage::F32(y), (rows, hidden).into()))
    }

    fn bwd(
        &self,
        u: &Tensor,
        v: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (us, vs, gs) = (Values::of(u), Values::of(v), Values::of(&grad));
        let (u_values, v_values, dy) = (us.slice()?, vs.slice()?, gs.slice()?);
        let hidden = b.elem_count();
        let (rows, rank) = (dy.len() / hidden, v_values.len() / hidden);
        let t = self.narrow(v_values, hidden);
        let mut db = vec![0.0; hidden];
        dy.chunks_exact(hidden).for_each(|row| db.iter_mut().zip(row).for_each(|(b, d)| *b += d));
        let dy = MatrixView::new(dy, rows, hidden);
        let mut du = vec![0.0; hidden * rank];
        let t = MatrixView::new(&t, rows, rank);
        MatrixMut::new(&mut du, rank).product_on(&self.pool, dy.transposed(), t, 1.0, false);
        let mut dt = vec![0.0; rows * rank];
        MatrixMut::new(&mut dt, rank).product_on(&self.pool, dy, MatrixView::new(u_values, hidden, rank), 1.0, false);
        let mut dv = vec![0.0; hidden * rank];
        let (h, dt) = (MatrixView::new(&self.states, rows, hidden), MatrixView::new(&dt, rows, rank));
        MatrixMut::new(&mut dv, rank).product_on(&self.pool, h.transposed(), dt, 1.0, false);
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
        Ok((Some(tensor(du, u)?), Some(tensor(dv, v)?), Some(tensor(db, b)?)))
    }
}
