//! The ragged batch, and the cache of keys and values that it writes and reads.

use std::sync::OnceLock;

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};

use crate::cell::Cell;
use crate::rope::rotate;
use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{AttentionRule, Pool, Rope};

/// Positions in a KV block.
pub const BLOCK: usize = 16;

/// Consecutive positions of one lane: some rows of a batch.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Position of the segment's first row in its lane.
    pub start: usize,
    /// Number of rows.
    pub rows: usize,
    /// The lane's blocks, in order, covering at least positions `0..start + rows`.
    pub blocks: Vec<u32>,
}

impl Segment {
    /// The blocks that hold its rows.
    fn written(&self) -> &[u32] {
        if self.rows == 0 { &[] } else { &self.blocks[self.start / BLOCK..(self.start + self.rows).div_ceil(BLOCK)] }
    }
}

/// Rows of different lanes at different positions in one forward: no padding.
#[derive(Debug)]
pub struct BatchView {
    segments: Vec<Segment>,
    /// Of each row: its segment and its position.
    rows: Vec<(u32, u32)>,
    /// Of each rotary embedding.
    rotations: Vec<Rotations>,
}

/// The rotations of all rows by one rotary embedding.
#[derive(Debug, Default)]
struct Rotations {
    /// Pairs that are rotated, in each head.
    half: usize,
    /// `[rows, half]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// The same on a device, for the twins.
    device: OnceLock<(Tensor, Tensor)>,
}

impl BatchView {
    /// The batch of these segments, rows in their order; the rotations of each of `ropes` are computed once for all layers.
    ///
    /// # Errors
    /// If a segment has too few blocks.
    pub fn new(segments: Vec<Segment>, ropes: &[Rope]) -> Result<Self> {
        let mut rows = Vec::new();
        let mut rotations: Vec<Rotations> =
            ropes.iter().map(|rope| Rotations { half: rope.half(), ..Rotations::default() }).collect();
        for (index, segment) in segments.iter().enumerate() {
            let end = segment.start + segment.rows;
            if segment.blocks.len() * BLOCK < end {
                bail!("segment {index} has {} KV blocks for {end} positions", segment.blocks.len())
            }
            for position in segment.start..end {
                rows.push((index as u32, position as u32));
                for (rope, made) in ropes.iter().zip(&mut rotations) {
                    rope.push(position, &mut made.cos, &mut made.sin);
                }
            }
        }
        Ok(Self { segments, rows, rotations })
    }

    /// The segments, in the order of their rows.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A row's position and the blocks of its lane.
    pub(crate) fn row(&self, row: usize) -> (usize, &[u32]) {
        let (segment, position) = self.rows[row];
        (position as usize, &self.segments[segment as usize].blocks)
    }

    /// A row's cosines and sines under a layer's rule; empty where it does not encode positions.
    pub(crate) fn rotation(&self, rule: &AttentionRule, row: usize) -> (&[f32], &[f32]) {
        let Some(Rotations { half, cos, sin, .. }) = rule.rope.and_then(|rope| self.rotations.get(rope)) else {
            return (&[], &[]);
        };
        (&cos[row * half..(row + 1) * half], &sin[row * half..(row + 1) * half])
    }

    /// Refuse a rule whose rotary embedding the batch has not.
    pub(crate) fn check(&self, rule: &AttentionRule) -> Result<()> {
        match rule.rope.filter(|rope| *rope >= self.rotations.len()) {
            Some(rope) => bail!("attention: rotary embedding {rope} of {}", self.rotations.len()),
            None => Ok(()),
        }
    }

    /// Cosines and sines `[rows, 1, half]` on `device` under a layer's rule, where it encodes positions.
    fn rotations(&self, rule: &AttentionRule, device: &Device) -> Result<Option<(Tensor, Tensor)>> {
        let Some(Rotations { half, cos, sin, device: made }) = rule.rope.and_then(|rope| self.rotations.get(rope))
        else {
            return Ok(None);
        };
        if let Some(made) = made.get() {
            return Ok(Some(made.clone()));
        }
        let shape = (self.rows(), 1, *half);
        let pair = (Tensor::from_slice(cos, shape, device)?, Tensor::from_slice(sin, shape, device)?);
        Ok(Some(made.get_or_init(|| pair).clone()))
    }
}

/// The shape of attention and of its cache.
///
/// A layer's cache is `[blocks, block_len]` in half or single precision. A block holds, for each KV head, the keys transposed
/// `[head_dim][BLOCK]` (so that 16 positions' scores are computed side by side) and then the values `[BLOCK][head_dim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLayout {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; `heads` is a multiple.
    pub kv_heads: usize,
    /// Values in a head.
    pub head_dim: usize,
}

impl KvLayout {
    /// Values in one block of one layer.
    pub fn block_len(&self) -> usize {
        self.kv_heads * self.head_len()
    }

    /// Values of one KV head in a block: its keys, then its values.
    pub(crate) fn head_len(&self) -> usize {
        2 * self.head_dim * BLOCK
    }

    /// Values in a row of queries, keys and values.
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Query heads that share a KV head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

/// Rotate the keys of `qkv` `[rows, qkv_width]` and write keys and values into `cache`, each row at its position.
///
/// # Errors
/// If the shapes do not agree.
pub fn write_kv(
    cache: &Tensor,
    qkv: &Tensor,
    layout: KvLayout,
    rule: &AttentionRule,
    view: &BatchView,
    pool: &Pool,
) -> Result<()> {
    view.check(rule)?;
    match cache.device() {
        Device::Cpu => cache.inplace_op2(qkv, &WriteKv { layout, rule, view, pool }),
        _ => twin(cache, qkv, layout, rule, view),
    }
}

struct WriteKv<'a> {
    layout: KvLayout,
    rule: &'a AttentionRule,
    view: &'a BatchView,
    pool: &'a Pool,
}

impl InplaceOp2 for WriteKv<'_> {
    fn name(&self) -> &'static str {
        "write-kv"
    }

    fn cpu_fwd(&self, cache: &mut CpuStorage, lc: &Layout, qkv: &CpuStorage, lq: &Layout) -> Result<()> {
        let (rows, qkv) = rows_of("write-kv", qkv, lq, self.layout.qkv_width())?;
        if rows != self.view.rows() {
            bail!("write-kv: {rows} rows of a batch of {}", self.view.rows())
        }
        let Some((start, end)) = lc.contiguous_offsets() else { bail!("write-kv: the cache is contiguous") };
        match cache {
            CpuStorage::F32(cache) => self.run(&mut cache[start..end], qkv),
            CpuStorage::F16(cache) => self.run(&mut cache[start..end], qkv),
            _ => bail!("write-kv: the cache is single or half precision"),
        }
    }
}

impl WriteKv<'_> {
    fn run<C: Cell>(&self, cache: &mut [C], qkv: &[f32]) -> Result<()> {
        let (layout, view) = (self.layout, self.view);
        let mut written: Vec<u32> = view.segments.iter().flat_map(Segment::written).copied().collect();
        written.sort_unstable();
        if let Some([block, _]) = written.array_windows::<2>().find(|[a, b]| a == b) {
            bail!("write-kv: two segments write block {block}")
        }
        let blocks = cache.len() / layout.block_len();
        if let Some(block) = written.last().filter(|block| **block as usize >= blocks) {
            bail!("write-kv: block {block} of a cache of {blocks}")
        }
        let firsts = view.segments.iter().scan(0, |row, segment| {
            *row += segment.rows;
            Some(*row - segment.rows)
        });
        let firsts: Vec<usize> = firsts.collect();
        let shared = SharedSlice::new(cache);
        // One item is one KV head of one segment. A few rows are written faster than they are handed out.
        let items = firsts.len() * layout.kv_heads;
        let grain = if view.rows() <= 4 { items } else { 1 };
        self.pool.run_ranges(items, grain, &|start, end| {
            let mut key = vec![0.0; layout.head_dim];
            for item in start..end {
                let (index, head) = (item / layout.kv_heads, item % layout.kv_heads);
                let segment = &view.segments[index];
                for at in 0..segment.rows {
                    let (row, position) = (firsts[index] + at, segment.start + at);
                    let from =
                        segment.blocks[position / BLOCK] as usize * layout.block_len() + head * layout.head_len();
                    // SAFETY: no other segment writes this block, and no other item this head of it.
                    let block = unsafe { shared.part(from, layout.head_len()) };
                    let qkv = &qkv[row * layout.qkv_width()..][..layout.qkv_width()];
                    let part = |from: usize| &qkv[(from + head) * layout.head_dim..][..layout.head_dim];
                    key.copy_from_slice(part(layout.heads));
                    let (cos, sin) = view.rotation(self.rule, row);
                    rotate(&mut key, cos, sin);
                    write_position(&key, part(layout.heads + layout.kv_heads), position % BLOCK, block);
                }
            }
        });
        Ok(())
    }
}

/// Put a key and a value `[head_dim]` at `slot` of a head's part of a block.
fn write_position<C: Cell>(key: &[f32], value: &[f32], slot: usize, block: &mut [C]) {
    let (keys, values) = block.split_at_mut(key.len() * BLOCK);
    for (k, out) in key.iter().zip(keys.chunks_exact_mut(BLOCK)) {
        out[slot] = C::of(*k);
    }
    for (v, out) in value.iter().zip(&mut values[slot * value.len()..]) {
        *out = C::of(*v);
    }
}

/// Rotate heads `[rows, heads, head_dim]`: the twin of `rotate`.
pub(crate) fn rotate_twin(x: &Tensor, rule: &AttentionRule, view: &BatchView) -> Result<Tensor> {
    let Some((cos, sin)) = view.rotations(rule, x.device())? else { return Ok(x.clone()) };
    let half = cos.dim(2)?;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let low = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let high = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    let rest = x.narrow(2, 2 * half, x.dim(2)? - 2 * half)?;
    Tensor::cat(&[low, high, rest], 2)
}

/// The twin of [`write_kv`]: one scatter of keys and one of values.
///
/// # Errors
/// If the shapes do not agree.
pub fn twin(cache: &Tensor, qkv: &Tensor, layout: KvLayout, rule: &AttentionRule, view: &BatchView) -> Result<()> {
    let KvLayout { heads, kv_heads, head_dim } = layout;
    let rows = view.rows();
    let part = |from: usize| qkv.narrow(1, from * head_dim, kv_heads * head_dim)?.reshape((rows, kv_heads, head_dim));
    let (keys, values) = (rotate_twin(&part(heads)?, rule, view)?, part(heads + kv_heads)?);
    let (mut key_at, mut value_at) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let (position, blocks) = view.row(row);
        let (block, slot) = (blocks[position / BLOCK] as usize, position % BLOCK);
        for head in 0..kv_heads {
            let start = block * layout.block_len() + head * layout.head_len();
            for d in 0..head_dim {
                key_at.push((start + d * BLOCK + slot) as u32);
                value_at.push((start + head_dim * BLOCK + slot * head_dim + d) as u32);
            }
        }
    }
    let flat = cache.flatten_all()?;
    for (at, values) in [(key_at, keys), (value_at, values)] {
        let at = Tensor::from_vec(at, rows * kv_heads * head_dim, cache.device())?;
        flat.scatter_set(&at, &values.contiguous()?.flatten_all()?.to_dtype(cache.dtype())?, 0)?;
    }
    Ok(())
}
