//! `y = x W^T + bias (+ scale (x A^T) B^T)`: a frozen matrix, with or without a low-rank adapter.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use pad_kernels::{MatrixMut, MatrixView, Pool};

use super::values::{Values, slice};

/// A frozen weight matrix.
#[derive(Debug)]
pub struct Matrix {
    /// Row-major `[outputs, inputs]`.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Option<Vec<f32>>,
    /// Rows.
    pub outputs: usize,
    /// Columns.
    pub inputs: usize,
}

impl Matrix {
    fn view(&self) -> MatrixView<'_> {
        MatrixView::new(&self.weight, self.outputs, self.inputs)
    }
}

/// The operation: on `x` alone, or on `x`, `A` `[rank, inputs]` and `B` `[outputs, rank]`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// The frozen part.
    pub matrix: Arc<Matrix>,
    /// Of the adapter's part.
    pub scale: f32,
    /// Who computes.
    pub pool: Arc<Pool>,
}

impl Linear {
    fn plain(&self, x: &[f32]) -> (Vec<f32>, usize) {
        let (rows, outputs) = (x.len() / self.matrix.inputs, self.matrix.outputs);
        let mut y = vec![0.0; rows * outputs];
        if let Some(bias) = &self.matrix.bias {
            y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
        }
        let (x, add) = (MatrixView::new(x, rows, self.matrix.inputs), self.matrix.bias.is_some());
        MatrixMut::new(&mut y, outputs).product_on(&self.pool, x, self.matrix.view().transposed(), 1.0, add);
        (y, rows)
    }

    /// `x A^T`.
    fn narrow(&self, x: &[f32], a: &[f32], rows: usize) -> Vec<f32> {
        let (inputs, rank) = (self.matrix.inputs, a.len() / self.matrix.inputs);
        let mut t = vec![0.0; rows * rank];
        let (x, a) = (MatrixView::new(x, rows, inputs), MatrixView::new(a, rank, inputs));
        MatrixMut::new(&mut t, rank).product_on(&self.pool, x, a.transposed(), 1.0, false);
        t
    }

    fn back(&self, grad: &[f32]) -> (Vec<f32>, usize) {
        let (rows, inputs) = (grad.len() / self.matrix.outputs, self.matrix.inputs);
        let mut dx = vec![0.0; rows * inputs];
        let dy = MatrixView::new(grad, rows, self.matrix.outputs);
        MatrixMut::new(&mut dx, inputs).product_on(&self.pool, dy, self.matrix.view(), 1.0, false);
        (dx, rows)
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (y, rows) = self.plain(slice(x, layout)?);
        Ok((CpuStorage::F32(y), (rows, self.matrix.outputs).into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (dx, rows) = self.back(Values::of(&grad).slice()?);
        Ok(Some(Tensor::from_vec(dx, (rows, self.matrix.inputs), grad.device())?))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear with an adapter"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, a, b) = (slice(x, xl)?, slice(a, al)?, slice(b, bl)?);
        let outputs = self.matrix.outputs;
        let (mut y, rows) = self.plain(x);
        let t = self.narrow(x, a, rows);
        let rank = b.len() / outputs;
        let (t, b) = (MatrixView::new(&t, rows, rank), MatrixView::new(b, outputs, rank));
        MatrixMut::new(&mut y, outputs).product_on(&self.pool, t, b.transposed(), self.scale, true);
        Ok((CpuStorage::F32(y), (rows, outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let device = grad.device();
        let (xs, as_, bs, gs) = (Values::of(x), Values::of(a), Values::of(b), Values::of(&grad));
        let (x, a, b, grad_values) = (xs.slice()?, as_.slice()?, bs.slice()?, gs.slice()?);
        let (inputs, outputs) = (self.matrix.inputs, self.matrix.outputs);
        let rank = b.len() / outputs;
        let (mut dx, rows) = self.back(grad_values);
        let t = self.narrow(x, a, rows);
        let dy = MatrixView::new(grad_values, rows, outputs);
        let mut db = vec![0.0; outputs * rank];
        let t = MatrixView::new(&t, rows, rank);
        MatrixMut::new(&mut db, rank).product_on(&self.pool, dy.transposed(), t, self.scale, false);
        let mut dt = vec![0.0; rows * rank];
        MatrixMut::new(&mut dt, rank).product_on(&self.pool, dy, MatrixView::new(b, outputs, rank), self.scale, false);
        let dt = MatrixView::new(&dt, rows, rank);
        let mut da = vec![0.0; rank * inputs];
        let x = MatrixView::new(x, rows, inputs);
        MatrixMut::new(&mut da, inputs).product_on(&self.pool, dt.transposed(), x, 1.0, false);
        MatrixMut::new(&mut dx, inputs).product_on(&self.pool, dt, MatrixView::new(a, rank, inputs), 1.0, true);
        Ok((
            Some(Tensor::from_vec(dx, (rows, inputs), device)?),
            Some(Tensor::from_vec(da, (rank, inputs), device)?),
            Some(Tensor::from_vec(db, (outputs, rank), device)?),
        ))
    }
}
