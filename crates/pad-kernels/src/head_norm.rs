//! Normalisation of queries and keys before they are rotated.

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, bail};

use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{KvLayout, Pool, RmsNorm};

/// Norms of a layer's queries and keys: over each head (`weight` `[head_dim]`), or over all heads of a row together
/// (`[heads * head_dim]`).
#[derive(Clone, Debug)]
pub struct HeadNorm {
    /// Of queries.
    pub queries: RmsNorm,
    /// Of keys.
    pub keys: RmsNorm,
}

impl HeadNorm {
    /// `qkv` `[rows, qkv_width]` with queries and keys normalised, values as they were. On the CPU in place: no other tensor may share
    /// `qkv`'s memory.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn forward(&self, qkv: Tensor, layout: KvLayout, pool: &Pool) -> Result<Tensor> {
        let (queries, keys) = (layout.heads * layout.head_dim, layout.kv_heads * layout.head_dim);
        if !queries.is_multiple_of(self.queries.hidden()) || !keys.is_multiple_of(self.keys.hidden()) {
            bail!(
                "norms of {} and {} values for {queries} values of queries and {keys} of keys",
                self.queries.hidden(),
                self.keys.hidden()
            )
        }
        if !qkv.device().is_cpu() {
            return self.twin(&qkv, layout);
        }
        qkv.inplace_op1(&InPlace { norm: self, layout, pool })?;
        Ok(qkv)
    }

    /// The twin: plain candle operations, on any device.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn twin(&self, qkv: &Tensor, layout: KvLayout) -> Result<Tensor> {
        let (queries, keys) = (layout.heads * layout.head_dim, layout.kv_heads * layout.head_dim);
        let rows = qkv.dim(0)?;
        let part = |norm: &RmsNorm, start: usize, len: usize| -> Result<Tensor> {
            let part = qkv.narrow(1, start, len)?.contiguous()?;
            norm.twin(&part.reshape((rows * len / norm.hidden(), norm.hidden()))?)?.reshape((rows, len))
        };
        let values = qkv.narrow(1, queries + keys, keys)?;
        Tensor::cat(&[part(&self.queries, 0, queries)?, part(&self.keys, queries, keys)?, values], 1)
    }
}

struct InPlace<'a> {
    norm: &'a HeadNorm,
    layout: KvLayout,
    pool: &'a Pool,
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "head-norm"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let width = self.layout.qkv_width();
        let (rows, _) = rows_of(self.name(), storage, layout, width)?;
        let start = layout.start_offset();
        let CpuStorage::F32(values) = storage else { bail!("head-norm: single precision is expected") };
        let shared = SharedSlice::new(&mut values[start..start + rows * width]);
        let (queries, keys) = (self.layout.heads * self.layout.head_dim, self.layout.kv_heads * self.layout.head_dim);
        let isa = self.pool.isa();
        self.pool.run_ranges(rows, 4, &|first, last| {
            let mut before = Vec::new();
            for row in first..last {
                // SAFETY: each row belongs to one range.
                let row = unsafe { shared.part(row * width, queries + keys) };
                let (queries, keys) = row.split_at_mut(queries);
                for (norm, part) in [(&self.norm.queries, queries), (&self.norm.keys, keys)] {
                    for head in part.chunks_exact_mut(norm.hidden()) {
                        before.clear();
                        before.extend_from_slice(head);
                        norm.row(isa, &before, head);
                    }
                }
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn tensor(rows: usize, columns: usize, step: usize) -> Tensor {
        let values: Vec<f32> = (0..rows * columns).map(|i| ((i * step % 103) as f32 - 50.0) / 25.0).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    }

    fn norm(len: usize, step: usize) -> RmsNorm {
        RmsNorm::new(tensor(1, len, step).squeeze(0).unwrap(), 1e-6).unwrap()
    }

    #[test]
    fn as_its_twin_over_heads_and_over_rows() {
        let pool = Pool::new(2);
        for (heads, kv_heads, head_dim) in [(4, 2, 16), (3, 3, 24), (2, 1, 64)] {
            let layout = KvLayout { heads, kv_heads, head_dim };
            let by_head = HeadNorm { queries: norm(head_dim, 7), keys: norm(head_dim, 13) };
            let by_row = HeadNorm { queries: norm(heads * head_dim, 7), keys: norm(kv_heads * head_dim, 13) };
            for norm in [by_head, by_row] {
                let qkv = tensor(11, layout.qkv_width(), 29);
                let want = norm.twin(&qkv, layout).unwrap();
                let got = norm.forward(qkv.copy().unwrap(), layout, &pool).unwrap();
                let worst = (&got - &want).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(worst < 1e-5, "{layout:?}: {worst}");
                // A row is the same alone.
                let alone = norm.forward(qkv.narrow(0, 7, 1).unwrap().copy().unwrap(), layout, &pool).unwrap();
                assert_eq!(alone.to_vec2::<f32>().unwrap()[0], got.to_vec2::<f32>().unwrap()[7]);
            }
            let wrong = HeadNorm { queries: norm(head_dim - 1, 7), keys: norm(head_dim, 13) };
            assert!(wrong.forward(tensor(1, layout.qkv_width(), 3), layout, &pool).is_err());
        }
    }
}
