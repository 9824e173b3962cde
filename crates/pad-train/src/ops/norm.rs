//! `y = x / sqrt(mean(x^2) + eps) * weight`, row by row.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use pad_kernels::Pool;

use super::values::{Values, parallel, piece, slice};

/// The operation.
#[derive(Clone, Debug)]
pub struct Norm {
    /// `[width]`, frozen.
    pub weight: Arc<[f32]>,
    /// Added to the mean square.
    pub eps: f32,
    /// Who computes.
    pub pool: Arc<Pool>,
}

/// `sum a b` in eight interleaved sums, which the compiler can keep in a vector.
fn dot(a: impl Iterator<Item = f32>, width: usize) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (i, x) in a.enumerate().take(width) {
        sums[i % 8] += x;
    }
    sums.iter().sum()
}

impl Norm {
    fn inverse(&self, x: &[f32]) -> f32 {
        1.0 / (dot(x.iter().map(|x| x * x), x.len()) / x.len() as f32 + self.eps).sqrt()
    }
}

impl CustomOp1 for Norm {
    fn name(&self) -> &'static str {
        "rms norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, width) = (slice(x, layout)?, self.weight.len());
        let mut y = vec![0.0; x.len()];
        let piece = piece(&self.pool, x.len() / width, width);
        parallel(&self.pool, x.chunks(piece).zip(y.chunks_mut(piece)).collect(), |(x, y)| {
            for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
                let r = self.inverse(x);
                y.iter_mut().zip(x).zip(&*self.weight).for_each(|((y, x), w)| *y = x * r * w);
            }
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (xs, gs) = (Values::of(x), Values::of(&grad));
        let (values, dy, width) = (xs.slice()?, gs.slice()?, self.weight.len());
        let mut dx = vec![0.0; values.len()];
        let piece = piece(&self.pool, values.len() / width, width);
        let items = values.chunks(piece).zip(dy.chunks(piece)).zip(dx.chunks_mut(piece)).collect();
        parallel(&self.pool, items, |((x, dy), dx)| {
            for ((x, dy), dx) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
                let r = self.inverse(x);
                let along = dot(x.iter().zip(dy).zip(&*self.weight).map(|((x, d), w)| x * d * w), width);
                let c = r * r * along / width as f32;
                for (((dx, x), d), w) in dx.iter_mut().zip(x).zip(dy).zip(&*self.weight) {
                    *dx = r * (w * d - x * c);
                }
            }
        });
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
