//! Attention of a ragged batch over blocks of keys and values.

use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Result, Shape, Tensor, bail};

use crate::batch_view::BatchView;
use crate::cell::Cell;
use crate::dispatch::for_each_isa;
use crate::head_group::attend;
use crate::kv_layout::{BLOCK, KvLayout};
use crate::kv_twin;
use crate::past::Past;
use crate::rope::rotate;
use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{AttentionRule, Pool};

/// Causal attention of the queries of `qkv` `[rows, qkv_width]` over `cache`, which holds each row's own key and value already:
/// `[rows, heads * head_dim]`. Softmax is online, block by block from the first, so that a row's result depends neither on how
/// its lane was cut into chunks nor on other rows.
///
/// # Errors
/// If the shapes do not agree.
pub fn attention(
    qkv: &Tensor,
    cache: &Tensor,
    layout: KvLayout,
    rule: &AttentionRule,
    view: &BatchView,
    pool: &Pool,
) -> Result<Tensor> {
    view.check(rule)?;
    match qkv.device() {
        Device::Cpu => qkv.apply_op2_no_bwd(cache, &BlockAttention { layout, rule, view, pool }),
        _ => twin(qkv, cache, layout, rule, view),
    }
}

struct BlockAttention<'a> {
    layout: KvLayout,
    rule: &'a AttentionRule,
    view: &'a BatchView,
    pool: &'a Pool,
}

impl CustomOp2 for BlockAttention<'_> {
    fn name(&self) -> &'static str {
        "block-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, lq: &Layout, cache: &CpuStorage, lc: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, qkv) = rows_of("attention", qkv, lq, self.layout.qkv_width())?;
        if rows != self.view.rows() {
            bail!("attention: {rows} rows of a batch of {}", self.view.rows())
        }
        let Some((start, end)) = lc.contiguous_offsets() else { bail!("attention: the cache is contiguous") };
        let out = match cache {
            CpuStorage::F32(cache) => self.run(qkv, &cache[start..end])?,
            CpuStorage::F16(cache) => self.run(qkv, &cache[start..end])?,
            CpuStorage::U8(cache) => self.run(qkv, &cache[start..end])?,
            _ => bail!("attention: the cache is single or half precision, or of bytes"),
        };
        Ok((CpuStorage::F32(out), Shape::from((rows, self.layout.heads * self.layout.head_dim))))
    }
}

impl BlockAttention<'_> {
    fn run<C: Cell>(&self, qkv: &[f32], cache: &[C]) -> Result<Vec<f32>> {
        let (layout, rows, isa) = (self.layout, self.view.rows(), self.pool.isa());
        let blocks = cache.len() / C::FORMAT.block_cells(layout);
        if let Some(block) = self.view.segments().iter().flat_map(|s| &s.blocks).find(|b| **b as usize >= blocks) {
            bail!("attention: block {block} of a cache of {blocks}")
        }
        let group_len = layout.group() * layout.head_dim;
        let mut out = vec![0.0_f32; rows * layout.heads * layout.head_dim];
        let shared = SharedSlice::new(&mut out);
        // One item is one row's group of query heads that share a KV head; groups lie one after another in `out`.
        self.pool.run_ranges(rows * layout.kv_heads, 1, &|first, last| {
            let (mut query, mut scores) = (vec![0.0; group_len], Vec::new());
            for item in first..last {
                let (row, kv_head) = (item / layout.kv_heads, item % layout.kv_heads);
                let (position, blocks) = self.view.row(row);
                let (cos, sin) = self.view.rotation(self.rule, row);
                query.copy_from_slice(&qkv[row * layout.qkv_width() + kv_head * group_len..][..group_len]);
                rotate_queries(isa, &mut query, layout.head_dim, self.rule.scale, cos, sin);
                // SAFETY: each item belongs to one range.
                let out = unsafe { shared.part(item * group_len, group_len) };
                let past = Past::new(cache, layout, self.rule, kv_head, blocks, position);
                attend(isa, &query, &past, &mut scores, out);
            }
        });
        Ok(out)
    }
}

for_each_isa! {
    /// Rotate heads and scale them.
    fn rotate_queries(queries: &mut [f32], head_dim: usize, scale: f32, cos: &[f32], sin: &[f32]) = rotate_queries_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn rotate_queries_body<const FUSED: bool>(queries: &mut [f32], head_dim: usize, scale: f32, cos: &[f32], sin: &[f32]) {
    for head in queries.chunks_exact_mut(head_dim) {
        rotate(head, cos, sin);
        head.iter_mut().for_each(|q| *q *= scale);
    }
}

/// The twin of [`attention()`]: all in single precision, lane by lane, blocks gathered, one softmax.
///
/// # Errors
/// If the shapes do not agree.
pub fn twin(qkv: &Tensor, cache: &Tensor, layout: KvLayout, rule: &AttentionRule, view: &BatchView) -> Result<Tensor> {
    let KvLayout { heads, kv_heads, head_dim } = layout;
    let queries = qkv.narrow(1, 0, heads * head_dim)?.reshape((view.rows(), heads, head_dim))?;
    let cache = &kv_twin::single(cache, layout)?;
    let queries = (kv_twin::rotate(&queries, rule, view)? * f64::from(rule.scale))?;
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
            .flat_map(|at| {
                let seen = rule.first_seen(at)..=at;
                (0..used.len() * BLOCK).map(move |j| if seen.contains(&j) { 0.0 } else { f32::NEG_INFINITY })
            })
            .collect();
        let mask = Tensor::from_vec(hidden, (segment.rows, used.len() * BLOCK), qkv.device())?;
        let scores = q.matmul(&keys)?.reshape((heads, segment.rows, used.len() * BLOCK))?;
        let scores = match rule.soft_cap.map(f64::from) {
            Some(cap) => ((scores / cap)?.tanh()? * cap)?,
            None => scores,
        };
        let scores = scores.broadcast_add(&mask)?;
        let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        let weights = weights.reshape((kv_heads, layout.group() * segment.rows, used.len() * BLOCK))?;
        let out = weights.matmul(&values)?.reshape((heads, segment.rows, head_dim))?;
        outputs.push(out.transpose(0, 1)?.contiguous()?.reshape((segment.rows, heads * head_dim))?);
        row += segment.rows;
    }
    Tensor::cat(&outputs, 0)
}
