//! Keys and values on their way into the cache.

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};

use crate::batch_view::{BatchView, Segment};
use crate::cell::Cell;
use crate::kv_layout::{BLOCK, KvLayout};
use crate::rope::rotate;
use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{AttentionRule, Pool, kv_format, kv_twin};

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
        _ => kv_twin::write(cache, qkv, layout, rule, view),
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
            CpuStorage::U8(cache) => self.run(&mut cache[start..end], qkv),
            _ => bail!("write-kv: the cache is single or half precision, or of bytes"),
        }
    }
}

impl WriteKv<'_> {
    fn run<C: Cell>(&self, cache: &mut [C], qkv: &[f32]) -> Result<()> {
        let (layout, view) = (self.layout, self.view);
        let mut written: Vec<u32> = view.segments().iter().flat_map(Segment::written).copied().collect();
        written.sort_unstable();
        if let Some([block, _]) = written.array_windows::<2>().find(|[a, b]| a == b) {
            bail!("write-kv: two segments write block {block}")
        }
        let head_cells = C::FORMAT.head_cells(layout);
        let blocks = cache.len() / C::FORMAT.block_cells(layout);
        if let Some(block) = written.last().filter(|block| **block as usize >= blocks) {
            bail!("write-kv: block {block} of a cache of {blocks}")
        }
        let firsts = view.segments().iter().scan(0, |row, segment| {
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
                let segment = &view.segments()[index];
                for at in 0..segment.rows {
                    let (row, position) = (firsts[index] + at, segment.start + at);
                    let block = segment.blocks[position / BLOCK] as usize;
                    let from = block * C::FORMAT.block_cells(layout) + head * head_cells;
                    // SAFETY: no other segment writes this block, and no other item this head of it.
                    let block = unsafe { shared.part(from, head_cells) };
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
    let (keys, rest) = block.split_at_mut(key.len() * BLOCK);
    let (values, scales) = rest.split_at_mut(value.len() * BLOCK);
    let (of_keys, of_values) = scales.split_at_mut(scales.len() / 2);
    let (of_key, of_value) = (kept_scale(key, of_keys, slot), kept_scale(value, of_values, slot));
    let cell = |number: f32, scale: f32| C::of(if C::FORMAT.has_scales() { number / scale } else { number });
    for (k, out) in key.iter().zip(keys.chunks_exact_mut(BLOCK)) {
        out[slot] = cell(*k, of_key);
    }
    for (v, out) in value.iter().zip(&mut values[slot * value.len()..]) {
        *out = cell(*v, of_value);
    }
}

/// Keep the scale of a key or a value, where there are scales; what its numbers are divided by.
fn kept_scale<C: Cell>(numbers: &[f32], cells: &mut [C], slot: usize) -> f32 {
    if !C::FORMAT.has_scales() {
        return 1.0;
    }
    let scale = kv_format::scale(numbers);
    C::set_scale(cells, slot, scale);
    if scale > 0.0 { scale } else { 1.0 }
}
