//! Attention of a ragged batch over blocks of keys and values.

use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Result, Shape, Tensor, bail};

use crate::dispatch::{for_each_isa, mul_add};
use crate::exp::exp;
use crate::kv::{self, BLOCK, BatchView, KvLayout};
use crate::linear::rows_of;
use crate::rope::rotate;
use crate::shared::SharedSlice;
use crate::{Isa, Pool};

/// Causal attention of the queries of `qkv` `[rows, qkv_width]` over `cache`, which holds each row's own key and value already:
/// `[rows, heads * head_dim]`. Softmax is online, block by block from the first, so that a row's result depends neither on how
/// its lane was cut into chunks nor on other rows.
///
/// # Errors
/// If the shapes do not agree.
pub fn attention(qkv: &Tensor, cache: &Tensor, layout: KvLayout, view: &BatchView, pool: &Pool) -> Result<Tensor> {
    match qkv.device() {
        Device::Cpu => qkv.apply_op2_no_bwd(cache, &BlockAttention { layout, view, pool, isa: Isa::detect() }),
        _ => twin(qkv, cache, layout, view),
    }
}

struct BlockAttention<'a> {
    layout: KvLayout,
    view: &'a BatchView,
    pool: &'a Pool,
    isa: Isa,
}

impl CustomOp2 for BlockAttention<'_> {
    fn name(&self) -> &'static str {
        "block-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, lq: &Layout, cache: &CpuStorage, lc: &Layout) -> Result<(CpuStorage, Shape)> {
        let (layout, width) = (self.layout, self.layout.qkv_width());
        let (rows, qkv) = rows_of("attention", qkv, lq, width)?;
        let (blocks, cache) = rows_of("attention's cache", cache, lc, layout.block_len())?;
        if rows != self.view.rows() {
            bail!("attention: {rows} rows of a batch of {}", self.view.rows())
        }
        if let Some(block) = self.view.segments().iter().flat_map(|s| &s.blocks).find(|b| **b as usize >= blocks) {
            bail!("attention: block {block} of a cache of {blocks}")
        }
        let group_len = layout.group() * layout.head_dim;
        let mut out = vec![0.0_f32; rows * layout.heads * layout.head_dim];
        let shared = SharedSlice::new(&mut out);
        // One item is one row's group of query heads that share a KV head; groups lie one after another in `out`.
        self.pool.run_ranges(rows * layout.kv_heads, 1, &|first, last| {
            let mut query = vec![0.0; group_len];
            for item in first..last {
                let (row, kv_head) = (item / layout.kv_heads, item % layout.kv_heads);
                let (position, blocks) = self.view.row(row);
                let (cos, sin) = self.view.rotation(row);
                query.copy_from_slice(&qkv[row * width + kv_head * group_len..][..group_len]);
                for head in query.chunks_exact_mut(layout.head_dim) {
                    rotate(head, cos, sin);
                    head.iter_mut().for_each(|q| *q *= 1.0 / (layout.head_dim as f32).sqrt());
                }
                // SAFETY: each item belongs to one range.
                let out = unsafe { shared.part(item * group_len, group_len) };
                let past = Past { cache, layout, kv_head, blocks, position };
                for (query, out) in query.chunks_exact(layout.head_dim).zip(out.chunks_exact_mut(layout.head_dim)) {
                    head(self.isa, query, &past, out);
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((rows, layout.heads * layout.head_dim))))
    }
}

/// What one query head looks back on.
struct Past<'a> {
    cache: &'a [f32],
    layout: KvLayout,
    kv_head: usize,
    /// The lane's blocks, in order.
    blocks: &'a [u32],
    /// Its own position, the last one seen.
    position: usize,
}

for_each_isa! {
    fn head(query: &[f32], past: &Past<'_>, out: &mut [f32]) = head_body
}

/// One query head over positions `0..=position`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn head_body<const FUSED: bool>(query: &[f32], past: &Past<'_>, out: &mut [f32]) {
    let Past { cache, layout, kv_head, blocks, position } = *past;
    let head_dim = query.len();
    let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0_f32);
    for (index, block) in blocks.iter().enumerate().take(position / BLOCK + 1) {
        let start = *block as usize * layout.block_len() + kv_head * layout.head_len();
        let (keys, values) = cache[start..start + layout.head_len()].split_at(head_dim * BLOCK);
        let seen = BLOCK.min(position + 1 - index * BLOCK);

        let mut scores = [0.0_f32; BLOCK];
        for (q, keys) in query.iter().zip(keys.chunks_exact(BLOCK)) {
            for (score, key) in scores.iter_mut().zip(keys) {
                *score = mul_add::<FUSED>(*q, *key, *score);
            }
        }
        let mut block_max = max;
        for (j, score) in scores.iter_mut().enumerate() {
            *score = if j < seen { *score } else { f32::NEG_INFINITY };
            block_max = if *score > block_max { *score } else { block_max };
        }
        let shrink = exp(max - block_max);
        scores.iter_mut().for_each(|score| *score = exp(*score - block_max));
        sum = sum * shrink + scores.iter().sum::<f32>();
        max = block_max;

        for (chunk, out) in out.chunks_mut(BLOCK).enumerate() {
            let mut acc = [0.0_f32; BLOCK];
            acc[..out.len()].copy_from_slice(out);
            acc.iter_mut().for_each(|a| *a *= shrink);
            for (weight, value) in scores.iter().zip(values.chunks_exact(head_dim)).take(seen) {
                for (a, v) in acc.iter_mut().zip(&value[chunk * BLOCK..][..out.len()]) {
                    *a = mul_add::<FUSED>(*weight, *v, *a);
                }
            }
            out.copy_from_slice(&acc[..out.len()]);
        }
    }
    out.iter_mut().for_each(|o| *o /= sum);
}

/// The twin of [`attention()`]: lane by lane, blocks gathered, one softmax.
///
/// # Errors
/// If the shapes do not agree.
pub fn twin(qkv: &Tensor, cache: &Tensor, layout: KvLayout, view: &BatchView) -> Result<Tensor> {
    let KvLayout { heads, kv_heads, head_dim } = layout;
    let queries = qkv.narrow(1, 0, heads * head_dim)?.reshape((view.rows(), heads, head_dim))?;
    let queries = (kv::rotate_twin(&queries, view)? / (head_dim as f64).sqrt())?;
    let mut row = 0;
    let mut outputs = Vec::with_capacity(view.segments().len());
    for segment in view.segments() {
        let end = segment.start + segment.rows;
        let used = &segment.blocks[..end.div_ceil(BLOCK)];
        let index = Tensor::from_slice(used, used.len(), cache.device())?;
        let blocks = cache.index_select(&index, 0)?.reshape((used.len(), kv_heads, 2, head_dim * BLOCK))?;
        let half = |i: usize| blocks.narrow(2, i, 1)?.squeeze(2)?.contiguous();
        let keys = half(0)?.reshape((used.len(), kv_heads, head_dim, BLOCK))?.permute((1, 2, 0, 3))?.contiguous()?;
        let keys = keys.reshape((kv_heads, head_dim, used.len() * BLOCK))?;
        let values = half(1)?.reshape((used.len(), kv_heads, BLOCK, head_dim))?.permute((1, 0, 2, 3))?.contiguous()?;
        let values = values.reshape((kv_heads, used.len() * BLOCK, head_dim))?;
        // [kv_heads, group * rows, head_dim]
        let q = queries.narrow(0, row, segment.rows)?.transpose(0, 1)?.contiguous()?;
        let q = q.reshape((kv_heads, layout.group() * segment.rows, head_dim))?;
        let hidden: Vec<f32> = (segment.start..end)
            .flat_map(|at| (0..used.len() * BLOCK).map(move |j| if j <= at { 0.0 } else { f32::NEG_INFINITY }))
            .collect();
        let mask = Tensor::from_vec(hidden, (segment.rows, used.len() * BLOCK), qkv.device())?;
        let scores = q.matmul(&keys)?.reshape((heads, segment.rows, used.len() * BLOCK))?.broadcast_add(&mask)?;
        let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        let weights = weights.reshape((kv_heads, layout.group() * segment.rows, used.len() * BLOCK))?;
        let out = weights.matmul(&values)?.reshape((heads, segment.rows, head_dim))?;
        outputs.push(out.transpose(0, 1)?.contiguous()?.reshape((segment.rows, heads * head_dim))?);
        row += segment.rows;
    }
    Tensor::cat(&outputs, 0)
}
