//! Log-probabilities of given tokens over the whole vocabulary, without storing all of its logits.
//!
//! The vocabulary is processed in pieces, with running maxima and sums. What the backward pass needs, `W_y - sum_v p_v
//! W_v` for every row, is summed in the same pass, because each row's gradient is that times one number: nothing is computed
//! twice.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use pad_kernels::{MatrixMut, MatrixView, Pool, exponentials, largest};

use super::Matrix;
use super::values::{Values, parallel, slice};

/// Tokens of the vocabulary that are looked at together.
const PIECE: usize = 1024;
/// The most rows of one task.
const ROWS: usize = 192;

/// The operation: `[rows, hidden]` to `[rows]`.
#[derive(Debug)]
pub struct LogProbability {
    matrix: Arc<Matrix>,
    targets: Vec<u32>,
    pool: Arc<Pool>,
    /// Per row, what the gradient is a multiple of; made on the way forward where it is wanted.
    slopes: Option<Mutex<Vec<f32>>>,
}

impl LogProbability {
    /// Of `targets`, one a row, with or without a gradient.
    pub fn new(matrix: Arc<Matrix>, targets: Vec<u32>, pool: Arc<Pool>, gradient: bool) -> Self {
        Self { matrix, targets, pool, slopes: gradient.then(|| Mutex::new(Vec::new())) }
    }

    /// Rows `x` with their `targets`.
    fn walk(&self, x: &[f32], targets: &[u32], out: &mut [f32], mut slopes: Option<&mut [f32]>) {
        let (rows, hidden, isa) = (targets.len(), self.matrix.inputs, self.pool.isa());
        let mut logits = vec![0.0; rows * PIECE];
        let (mut max, mut sum) = (vec![f32::NEG_INFINITY; rows], vec![0.0_f32; rows]);
        let x = MatrixView::new(x, rows, hidden);
        for (index, piece) in self.matrix.weight.chunks(PIECE * hidden).enumerate() {
            let width = piece.len() / hidden;
            let weights = MatrixView::new(piece, width, hidden);
            MatrixMut::new(&mut logits, width).product(x, weights.transposed(), 1.0, false);
            let first = index * PIECE;
            for (row, logits) in logits.chunks_exact_mut(width).take(rows).enumerate() {
                let target = (targets[row] as usize).wrapping_sub(first);
                if let Some(logit) = logits.get(target) {
                    out[row] = *logit;
                }
                let highest = largest(isa, logits).max(max[row]);
                if highest > max[row] {
                    let shrink = (max[row] - highest).exp();
                    sum[row] *= shrink;
                    if let Some(slopes) = slopes.as_deref_mut() {
                        slopes[row * hidden..(row + 1) * hidden].iter_mut().for_each(|s| *s *= shrink);
                    }
                    max[row] = highest;
                }
                sum[row] += exponentials(isa, logits, highest);
            }
            if let Some(slopes) = slopes.as_deref_mut() {
                let p = MatrixView::new(&logits, rows, width);
                MatrixMut::new(slopes, hidden).product(p, weights, 1.0, true);
            }
        }
        for row in 0..rows {
            out[row] -= max[row] + sum[row].ln();
        }
        if let Some(slopes) = slopes {
            for (row, slopes) in slopes.chunks_exact_mut(hidden).enumerate() {
                let target = &self.matrix.weight[targets[row] as usize * hidden..][..hidden];
                slopes.iter_mut().zip(target).for_each(|(s, w)| *s = w - *s / sum[row]);
            }
        }
    }
}

impl CustomOp1 for LogProbability {
    fn name(&self) -> &'static str {
        "log-probability"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, hidden, rows) = (slice(x, layout)?, self.matrix.inputs, self.targets.len());
        if x.len() != rows * hidden || self.targets.iter().any(|t| *t as usize >= self.matrix.outputs) {
            bail!("{rows} targets of a vocabulary of {} for {} numbers", self.matrix.outputs, x.len());
        }
        let mut out = vec![0.0; rows];
        let mut slopes = vec![0.0; if self.slopes.is_some() { x.len() } else { 0 }];
        let height = rows.div_ceil(self.pool.threads()).clamp(1, ROWS);
        let given = x.chunks(height * hidden).zip(self.targets.chunks(height)).zip(out.chunks_mut(height));
        let mut pieces = slopes.chunks_mut(height * hidden);
        let items = given.map(|given| (given, pieces.next())).collect();
        parallel(&self.pool, items, |(((x, targets), out), slopes)| self.walk(x, targets, out, slopes));
        if let Some(kept) = &self.slopes {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = slopes;
        }
        Ok((CpuStorage::F32(out), rows.into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let Some(slopes) = &self.slopes else { bail!("log-probabilities that were asked for without a gradient") };
        let mut dx = std::mem::take(&mut *slopes.lock().unwrap_or_else(PoisonError::into_inner));
        let grad = grad.contiguous()?;
        let values = Values::of(&grad);
        for (row, g) in dx.chunks_exact_mut(self.matrix.inputs).zip(values.slice()?) {
            row.iter_mut().for_each(|d| *d *= g);
        }
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
