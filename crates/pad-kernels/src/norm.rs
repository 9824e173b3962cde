//! Root-mean-square normalisation.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, bail};

use crate::dispatch::{for_each_isa, mul_add};
use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{Isa, Pool};

/// `x / sqrt(mean(x^2) + eps) * weight`, over the last dimension.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Tensor,
    values: Vec<f32>,
    eps: f32,
}

impl RmsNorm {
    /// A norm with `weight` `[hidden]`.
    ///
    /// # Errors
    /// If `weight` is not a vector that can be read as single precision.
    pub fn new(weight: Tensor, eps: f64) -> Result<Self> {
        let values = weight.to_dtype(candle_core::DType::F32)?.to_vec1()?;
        Ok(Self { weight, values, eps: eps as f32 })
    }

    /// Number of values normalised together.
    pub fn hidden(&self) -> usize {
        self.values.len()
    }

    /// Normalise one row on the CPU.
    pub(crate) fn row(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        norm_row(isa, x, &self.values, self.eps, out);
    }

    /// `[rows, hidden]` normalised, on any device.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.device().is_cpu() { x.apply_op1_no_bwd(&CpuNorm { norm: self, isa: Isa::detect() }) } else { self.twin(x) }
    }

    /// `residual + norm(x)`, both `[rows, hidden]`: a norm that follows its layer's part.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn add(&self, x: &Tensor, residual: &Tensor, pool: &Pool) -> Result<Tensor> {
        if x.device().is_cpu() {
            x.apply_op2_no_bwd(residual, &CpuAdd { norm: self, pool })
        } else {
            residual + self.twin(x)?
        }
    }

    /// The twin: plain candle operations on `[rows, hidden]`, on any device.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn twin(&self, x: &Tensor) -> Result<Tensor> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        let scale = (mean + f64::from(self.eps))?.sqrt()?;
        x.broadcast_div(&scale)?.broadcast_mul(&self.weight)
    }
}

struct CpuNorm<'a> {
    norm: &'a RmsNorm,
    isa: Isa,
}

impl CustomOp1 for CpuNorm<'_> {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let hidden = self.norm.hidden();
        let (rows, x) = rows_of(self.name(), x, layout, hidden)?;
        let mut out = vec![0.0; rows * hidden];
        for (x, out) in x.chunks_exact(hidden).zip(out.chunks_exact_mut(hidden)) {
            self.norm.row(self.isa, x, out);
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, hidden))))
    }
}

struct CpuAdd<'a> {
    norm: &'a RmsNorm,
    pool: &'a Pool,
}

impl CustomOp2 for CpuAdd<'_> {
    fn name(&self) -> &'static str {
        "rms-norm-add"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, residual: &CpuStorage, lr: &Layout) -> Result<(CpuStorage, Shape)> {
        let hidden = self.norm.hidden();
        let (rows, x) = rows_of(self.name(), x, lx, hidden)?;
        let (count, residual) = rows_of(self.name(), residual, lr, hidden)?;
        if count != rows {
            bail!("rms-norm-add: {rows} rows but {count} rows of residual")
        }
        let mut out = vec![0.0; rows * hidden];
        let shared = SharedSlice::new(&mut out);
        self.pool.run_ranges(rows, 4, &|first, last| {
            for row in first..last {
                let at = row * hidden..(row + 1) * hidden;
                // SAFETY: each row belongs to one range.
                let out = unsafe { shared.part(at.start, hidden) };
                self.norm.row(self.pool.isa(), &x[at.clone()], out);
                out.iter_mut().zip(&residual[at]).for_each(|(out, residual)| *out += residual);
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((rows, hidden))))
    }
}

for_each_isa! {
    fn norm_row(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) = norm_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn norm_body<const FUSED: bool>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    // Sixteen sums side by side: a fixed order that fills vector registers.
    let mut sums = [0.0_f32; 16];
    let chunks = x.chunks_exact(16);
    for (i, v) in chunks.remainder().iter().enumerate() {
        sums[i] = v * v;
    }
    for chunk in chunks {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum = mul_add::<FUSED>(*v, *v, *sum);
        }
    }
    let scale = 1.0 / (sums.iter().sum::<f32>() / x.len() as f32 + eps).sqrt();
    for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * w;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_norm_behind_a_part_is_added_to_what_came_before() {
        let tensor = |rows: usize, columns: usize, step: usize| {
            let values: Vec<f32> = (0..rows * columns).map(|i| ((i * step % 101) as f32 - 50.0) / 25.0).collect();
            Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
        };
        for (rows, hidden) in [(1, 33), (9, 64)] {
            let norm = RmsNorm::new(tensor(1, hidden, 7).squeeze(0).unwrap(), 1e-6).unwrap();
            let (x, residual) = (tensor(rows, hidden, 37), tensor(rows, hidden, 11));
            let got = norm.add(&x, &residual, &Pool::new(2)).unwrap();
            let want = (residual + norm.twin(&x).unwrap()).unwrap();
            let worst = (got - want).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(worst < 1e-5, "{worst}");
            assert!(norm.add(&x, &tensor(rows + 1, hidden, 1), &Pool::new(1)).is_err());
        }
    }
}
