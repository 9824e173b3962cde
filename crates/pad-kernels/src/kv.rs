//! The ragged batch, and the cache of keys and values that it writes and reads.

use std::sync::OnceLock;

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};

use crate::cell::Cell;
use crate::product::rows_of;
use crate::rope::rotate;
use crate::shared::SharedSlice;
use crate::{Pool, Rope};

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
    /// `[rows, head_dim / 2]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// The same on a device, for the twins.
    rotations: OnceLock<(Tensor, Tensor)>,
}

impl BatchView {
    /// The batch of these segments, rows in their order; rotations are computed once for all layers.
    ///
    /// # Errors
    /// If a segment has too few blocks.
    pub fn new(segments: Vec<Segment>, rope: &Rope) -> Result<Self> {
        let (mut rows, mut cos, mut sin) = (Vec::new(), Vec::new(), Vec::new());
        for (index, segment) in segments.iter().enumerate() {
            let end = segment.start + segment.rows;
            if segment.blocks.len() * BLOCK < end {
                bail!("segment {index} has {} KV blocks for {end} positions", segment.blocks.len())
            }
            for position in segment.start..end {
                rows.push((index as u32, position as u32));
                rope.push(position, &mut cos, &mut sin);
            }
        }
        Ok(Self { segments, rows, cos, sin, rotations: OnceLock::new() })
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

    /// A row's cosines and sines.
    pub(crate) fn rotation(&self, row: usize) -> (&[f32], &[f32]) {
        let half = self.cos.len() / self.rows.len();
        (&self.cos[row * half..(row + 1) * half], &self.sin[row * half..(row + 1) * half])
    }

    /// Cosines and sines `[rows, 1, head_dim / 2]` on `device`.
    pub(crate) fn rotations(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        if let Some(made) = self.rotations.get() {
            return Ok(made.clone());
        }
        let shape = (self.rows(), 1, self.cos.len() / self.rows().max(1));
        let made = (Tensor::from_slice(&self.cos, shape, device)?, Tensor::from_slice(&self.sin, shape, device)?);
        Ok(self.rotations.get_or_init(|| made).clone())
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
pub fn write_kv(cache: &Tensor, qkv: &Tensor, layout: KvLayout, view: &BatchView, pool: &Pool) -> Result<()> {
    match cache.device() {
        Device::Cpu => cache.inplace_op2(qkv, &WriteKv { layout, view, pool }),
        _ => twin(cache, qkv, layout, view),
    }
}

struct WriteKv<'a> {
    layout: KvLayout,
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
                    let (cos, sin) = view.rotation(row);
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
pub(crate) fn rotate_twin(x: &Tensor, view: &BatchView) -> Result<Tensor> {
    let (cos, sin) = view.rotations(x.device())?;
    let half = x.dim(2)? / 2;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let low = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let high = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    Tensor::cat(&[low, high], 2)
}

/// The twin of [`write_kv`]: one scatter of keys and one of values.
///
/// # Errors
/// If the shapes do not agree.
pub fn twin(cache: &Tensor, qkv: &Tensor, layout: KvLayout, view: &BatchView) -> Result<()> {
    let KvLayout { heads, kv_heads, head_dim } = layout;
    let rows = view.rows();
    let part = |from: usize| qkv.narrow(1, from * head_dim, kv_heads * head_dim)?.reshape((rows, kv_heads, head_dim));
    let (keys, values) = (rotate_twin(&part(heads)?, view)?, part(heads + kv_heads)?);
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
