//! Attention of a ragged batch over blocks of keys and values.

use std::ops::Range;
use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Result, Shape, Tensor, bail};

use crate::cell::Cell;
use crate::dispatch::for_each_isa;
use crate::kv::{self, BLOCK, BatchView, KvLayout};
use crate::product::rows_of;
use crate::query_tile::{Past, QueryTile, Seen, TAIL, join};
use crate::rope::rotate;
use crate::shared::SharedSlice;
use crate::{AttentionRule, Pool};

/// Causal attention of the queries of `qkv` `[rows, qkv_width]` over `cache`, which holds each row's own key and value already:
/// `[rows, heads * head_dim]`. Softmax is made stretch by stretch from the lane's first position, so that a row's result depends neither on
/// how its lane was cut into chunks nor on other rows.
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
            _ => bail!("attention: the cache is single or half precision"),
        };
        Ok((CpuStorage::F32(out), Shape::from((rows, self.layout.heads * self.layout.head_dim))))
    }
}

/// Queries whose scores are kept at once, about: what they look back on is read once for all of them.
const QUERIES: usize = 12;

/// Consecutive rows of one lane.
struct Tile {
    rows: Range<usize>,
    seen: Vec<Seen>,
    stretches: Range<usize>,
}

/// Memory that is used again.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    next: Vec<f32>,
    parts: Vec<f32>,
}

impl BlockAttention<'_> {
    fn run<C: Cell>(&self, qkv: &[f32], cache: &[C]) -> Result<Vec<f32>> {
        let (layout, rows) = (self.layout, self.view.rows());
        let blocks = cache.len() / layout.block_len();
        if let Some(block) = self.view.segments().iter().flat_map(|s| &s.blocks).find(|b| **b as usize >= blocks) {
            bail!("attention: block {block} of a cache of {blocks}")
        }
        let tiles = self.tiles();
        let items = tiles.len() * layout.kv_heads;
        // One KV head after the other: what one tile has read is still near for the next.
        let item = |index: usize| (&tiles[index % tiles.len()], index / tiles.len());
        let mut out = vec![0.0_f32; rows * layout.heads * layout.head_dim];
        let shared = SharedSlice::new(&mut out);
        if items >= 4 * self.pool.threads() || tiles.iter().all(|tile| tile.stretches.len() == 1) {
            self.in_chunks(items, &|index, scratch| {
                let (tile, kv_head) = item(index);
                self.attend(qkv, cache, tile, kv_head, tile.stretches.clone(), scratch);
                // SAFETY: each item has rows and a KV head of its own.
                unsafe { self.put(tile, kv_head, &scratch.parts, &shared) };
            });
            return Ok(out);
        }
        // Few rows: what they look back on is divided.
        let work: Vec<(usize, usize)> =
            (0..items).flat_map(|index| item(index).0.stretches.clone().map(move |stretch| (index, stretch))).collect();
        let parts: Vec<OnceLock<Vec<f32>>> = work.iter().map(|_| OnceLock::new()).collect();
        self.in_chunks(work.len(), &|index, scratch| {
            let (of, stretch) = work[index];
            let (tile, kv_head) = item(of);
            self.attend(qkv, cache, tile, kv_head, stretch..stretch + 1, scratch);
            parts[index].get_or_init(|| std::mem::take(&mut scratch.parts));
        });
        let mut parts = parts.into_iter().filter_map(OnceLock::into_inner);
        for index in 0..items {
            let (tile, kv_head) = item(index);
            let mut all = parts.by_ref().take(tile.stretches.len());
            let mut total = all.next().unwrap_or_default();
            all.for_each(|next| self.join(&mut total, &next));
            // SAFETY: nobody else has a part.
            unsafe { self.put(tile, kv_head, &total, &shared) };
        }
        Ok(out)
    }

    fn tiles(&self) -> Vec<Tile> {
        let most = (QUERIES / self.layout.group()).max(1);
        let mut tiles = Vec::new();
        let mut row = 0;
        for segment in self.view.segments() {
            for first in (0..segment.rows).step_by(most) {
                let rows = row + first..row + segment.rows.min(first + most);
                let see = |at: usize| Seen { first: self.rule.first_seen(at), last: at };
                let seen: Vec<Seen> = rows.clone().map(|row| see(self.view.row(row).0)).collect();
                let stretches = Seen::of_all(&seen).stretches();
                tiles.push(Tile { rows, seen, stretches });
            }
            row += segment.rows;
        }
        tiles
    }

    /// Call `task(i)` for every `i` in `0..count`, some of them one after the other on one thread: fewer than would leave a thread
    /// without work at the end, more than one where they are many and short.
    fn in_chunks(&self, count: usize, task: &(dyn Fn(usize, &mut Scratch) + Sync)) {
        let chunk = count.div_ceil(16 * self.pool.threads()).max(1);
        self.pool.run(count.div_ceil(chunk), &|index| {
            let mut scratch = Scratch::default();
            (index * chunk..count.min((index + 1) * chunk)).for_each(|i| task(i, &mut scratch));
        });
    }

    /// The parts of a tile's queries over some stretches, joined, into the scratch's parts.
    fn attend<C: Cell>(
        &self,
        qkv: &[f32],
        cache: &[C],
        tile: &Tile,
        kv_head: usize,
        stretches: Range<usize>,
        scratch: &mut Scratch,
    ) {
        let (layout, isa) = (self.layout, self.pool.isa());
        let group_len = layout.group() * layout.head_dim;
        scratch.queries.resize(tile.rows.len() * group_len, 0.0);
        for (row, queries) in tile.rows.clone().zip(scratch.queries.chunks_exact_mut(group_len)) {
            queries.copy_from_slice(&qkv[row * layout.qkv_width() + kv_head * group_len..][..group_len]);
            let (cos, sin) = self.view.rotation(self.rule, row);
            rotate_queries(isa, queries, layout.head_dim, self.rule.scale, cos, sin);
        }
        let (_, blocks) = self.view.row(tile.rows.start);
        let past = Past { cache, layout, kv_head, blocks, soft_cap: self.rule.soft_cap };
        let len = tile.rows.len() * layout.group() * (layout.head_dim + TAIL);
        scratch.parts.resize(len, 0.0);
        scratch.next.resize(len, 0.0);
        for stretch in stretches.clone() {
            let queries = QueryTile { queries: &scratch.queries, rows: &tile.seen, past, stretch };
            if stretch == stretches.start {
                queries.attend(isa, &mut scratch.scores, &mut scratch.parts);
            } else {
                queries.attend(isa, &mut scratch.scores, &mut scratch.next);
                self.join(&mut scratch.parts, &scratch.next);
            }
        }
    }

    /// Join the parts of the next stretch to those of the stretches before.
    fn join(&self, total: &mut [f32], next: &[f32]) {
        let width = self.layout.head_dim + TAIL;
        total.chunks_exact_mut(width).zip(next.chunks_exact(width)).for_each(|(total, next)| join(total, next));
    }

    /// Put what a tile's parts give in its place.
    ///
    /// # Safety
    /// Nobody else puts the same rows' KV head at the same time.
    unsafe fn put(&self, tile: &Tile, kv_head: usize, parts: &[f32], out: &SharedSlice<'_, f32>) {
        let KvLayout { heads, head_dim, .. } = self.layout;
        let group = self.layout.group();
        for (query, part) in parts.chunks_exact(head_dim + TAIL).enumerate() {
            let (row, head) = (tile.rows.start + query / group, kv_head * group + query % group);
            // SAFETY: the caller's.
            let out = unsafe { out.part((row * heads + head) * head_dim, head_dim) };
            out.iter_mut().zip(part).for_each(|(out, value)| *out = value / part[head_dim + 1]);
        }
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

/// The twin of [`attention()`]: lane by lane, blocks gathered, one softmax.
///
/// # Errors
/// If the shapes do not agree.
pub fn twin(qkv: &Tensor, cache: &Tensor, layout: KvLayout, rule: &AttentionRule, view: &BatchView) -> Result<Tensor> {
    let KvLayout { heads, kv_heads, head_dim } = layout;
    let queries = qkv.narrow(1, 0, heads * head_dim)?.reshape((view.rows(), heads, head_dim))?;
    let queries = (kv::rotate_twin(&queries, rule, view)? * f64::from(rule.scale))?;
    let mut row = 0;
    let mut outputs = Vec::with_capacity(view.segments().len());
    for segment in view.segments() {
        let end = segment.start + segment.rows;
        let used = &segment.blocks[..end.div_ceil(BLOCK)];
        let index = Tensor::from_slice(used, used.len(), cache.device())?;
        let blocks = cache.index_select(&index, 0)?.to_dtype(qkv.dtype())?;
        let blocks = blocks.reshape((used.len(), kv_heads, 2, head_dim * BLOCK))?;
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
