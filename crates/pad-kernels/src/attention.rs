//! Attention of a ragged batch over blocks of keys and values.

use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Result, Shape, Tensor, bail};

use crate::attention_plan::{AttentionPlan, Tile};
use crate::batch_view::BatchView;
use crate::cell::Cell;
use crate::dispatch::for_each_isa;
use crate::kv_layout::{BLOCK, KvLayout};
use crate::kv_twin;
use crate::part::{Mass, PART, Part, Scratch, Seen};
use crate::query_group::{attend, divide, join};
use crate::rope::rotate;
use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{AttentionRule, Pool};

/// Causal attention of the queries of `qkv` `[rows, qkv_width]` over `cache`, which holds each row's own key and value already:
/// `[rows, heads * head_dim]`. Positions are attended to in parts that begin at the same positions whatever the row, and the parts are
/// joined in their order, so that a row's result depends neither on how its lane was cut into chunks nor on other rows nor on threads.
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
        let (group, kv_heads) = (layout.group(), layout.kv_heads);
        let group_len = group * layout.head_dim;
        let plan = AttentionPlan::new(self.view, self.rule, layout);
        let mut out = vec![0.0_f32; rows * layout.heads * layout.head_dim];
        let mut partial = vec![0.0_f32; plan.partials * layout.heads * layout.head_dim];
        let mut masses = vec![Mass::default(); plan.partials * layout.heads];
        let (shared, partials) = (SharedSlice::new(&mut out), SharedSlice::new(&mut partial));
        let weights = SharedSlice::new(&mut masses);
        self.pool.run_ranges(plan.tiles.len(), 1, &|first, last| {
            let mut work = TileWork::default();
            for tile in &plan.tiles[first..last] {
                self.attend(tile, qkv, cache, &mut work);
                let of_rows = work.out.chunks_exact(group_len).zip(work.masses.chunks_exact(group));
                for ((out, masses), row) in of_rows.zip(tile.rows.clone()) {
                    if let Some(place) = plan.place(row, tile.part) {
                        let place = place * kv_heads + tile.kv_head;
                        // SAFETY: each row, KV head and part belongs to one tile, and each tile to one range.
                        unsafe {
                            partials.part(place * group_len, group_len).copy_from_slice(out);
                            weights.part(place * group, group).copy_from_slice(masses);
                        }
                    } else {
                        // SAFETY: as above, and the row has this part alone.
                        let whole = unsafe { shared.part((row * kv_heads + tile.kv_head) * group_len, group_len) };
                        whole.copy_from_slice(out);
                        let heads = whole.chunks_exact_mut(layout.head_dim).zip(masses);
                        heads.for_each(|(head, mass)| divide(isa, head, mass.sum));
                    }
                }
            }
        });
        self.pool.run_ranges(plan.joined.len() * layout.heads, 1, &|first, last| {
            for item in first..last {
                let (joined, head) = (&plan.joined[item / layout.heads], item % layout.heads);
                let part = |place: usize| {
                    let at = place * layout.heads + head;
                    (&partial[at * layout.head_dim..][..layout.head_dim], masses[at])
                };
                let from = (joined.row * layout.heads + head) * layout.head_dim;
                // SAFETY: each item belongs to one range.
                let out = unsafe { shared.part(from, layout.head_dim) };
                join(isa, joined.places.clone().map(part), out);
            }
        });
        Ok(out)
    }

    /// What the rows of a tile see of its part.
    fn attend<C: Cell>(&self, tile: &Tile, qkv: &[f32], cache: &[C], work: &mut TileWork) {
        let (layout, isa) = (self.layout, self.pool.isa());
        let group_len = layout.group() * layout.head_dim;
        let count = tile.rows.len() * layout.group();
        work.queries.resize(count * layout.head_dim, 0.0);
        work.out.resize(count * layout.head_dim, 0.0);
        work.masses.resize(count, Mass::default());
        work.seen.clear();
        let (start, end) = (tile.part * PART, (tile.part + 1) * PART - 1);
        let (first, table) = self.view.row(tile.rows.start);
        let begin = self.rule.first_seen(first).max(start) / BLOCK;
        let blocks = &table[begin..=(first + tile.rows.len() - 1).min(end) / BLOCK];
        for (row, queries) in tile.rows.clone().zip(work.queries.chunks_exact_mut(group_len)) {
            let (position, _) = self.view.row(row);
            let (cos, sin) = self.view.rotation(self.rule, row);
            queries.copy_from_slice(&qkv[row * layout.qkv_width() + tile.kv_head * group_len..][..group_len]);
            rotate_queries(isa, queries, layout.head_dim, self.rule.scale, cos, sin);
            let (first, last) = (self.rule.first_seen(position).max(start), position.min(end));
            let seen = Seen { first: first - begin * BLOCK, last: last - begin * BLOCK };
            work.seen.extend(std::iter::repeat_n(seen, layout.group()));
        }
        let part = Part { cache, layout, kv_head: tile.kv_head, blocks, soft_cap: self.rule.soft_cap };
        attend(isa, &work.queries, &part, &work.seen, &mut work.scratch, &mut work.out, &mut work.masses);
    }
}

/// What a tile is computed in: kept from one to the next.
#[derive(Default)]
struct TileWork {
    /// `[rows, group, head_dim]`, and so are the outputs.
    queries: Vec<f32>,
    out: Vec<f32>,
    /// `[rows, group]`, and so is what they see.
    masses: Vec<Mass>,
    seen: Vec<Seen>,
    scratch: Scratch,
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
