//! Rotation and the cache in plain operations of candle: what the kernels are compared with, and what runs on other devices.

use candle_core::{DType, Result, Tensor};

use crate::batch_view::BatchView;
use crate::cell::Cell;
use crate::kv_layout::{BLOCK, KvLayout};
use crate::{AttentionRule, KvFormat};

/// The numbers of a cache, `[blocks, block_len]` in single precision.
///
/// # Errors
/// If it has another shape.
pub fn single(cache: &Tensor, layout: KvLayout) -> Result<Tensor> {
    if cache.dtype() != DType::U8 {
        return cache.to_dtype(DType::F32);
    }
    let (blocks, _) = cache.dims2()?;
    let mut numbers = Vec::with_capacity(blocks * layout.block_len());
    for head in cache.flatten_all()?.to_vec1::<u8>()?.chunks_exact(KvFormat::Q8.head_cells(layout)) {
        let (cells, scales) = head.split_at(layout.head_len());
        let (keys, values) = cells.split_at(layout.head_len() / 2);
        let (of_keys, of_values) = scales.split_at(scales.len() / 2);
        let (of_keys, of_values) = (u8::scales(of_keys), u8::scales(of_values));
        numbers.extend(keys.iter().enumerate().map(|(i, q)| q.value() * of_keys[i % BLOCK]));
        numbers.extend(values.iter().enumerate().map(|(i, q)| q.value() * of_values[i / layout.head_dim]));
    }
    Tensor::from_vec(numbers, (blocks, layout.block_len()), cache.device())
}

/// Rotate heads `[rows, heads, head_dim]`: the twin of `rotate`.
pub fn rotate(x: &Tensor, rule: &AttentionRule, view: &BatchView) -> Result<Tensor> {
    let Some((cos, sin)) = view.rotations(rule, x.device())? else { return Ok(x.clone()) };
    let half = cos.dim(2)?;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let low = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let high = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    let rest = x.narrow(2, 2 * half, x.dim(2)? - 2 * half)?;
    Tensor::cat(&[low, high, rest], 2)
}

/// The twin of [`crate::write_kv`]: one scatter of keys and one of values; with scales, of their bytes.
///
/// # Errors
/// If the shapes do not agree.
pub fn write(cache: &Tensor, qkv: &Tensor, layout: KvLayout, rule: &AttentionRule, view: &BatchView) -> Result<()> {
    let KvLayout { heads, kv_heads, head_dim } = layout;
    let rows = view.rows();
    let part = |from: usize| qkv.narrow(1, from * head_dim, kv_heads * head_dim)?.reshape((rows, kv_heads, head_dim));
    let (keys, values) = (rotate(&part(heads)?, rule, view)?, part(heads + kv_heads)?);
    let format = if cache.dtype() == DType::U8 { KvFormat::Q8 } else { KvFormat::F32 };
    let (mut key_at, mut value_at, mut scale_at) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let (position, blocks) = view.row(row);
        let (block, slot) = (blocks[position / BLOCK] as usize, position % BLOCK);
        for head in 0..kv_heads {
            let start = block * format.block_cells(layout) + head * format.head_cells(layout);
            for d in 0..head_dim {
                key_at.push((start + d * BLOCK + slot) as u32);
                value_at.push((start + head_dim * BLOCK + slot * head_dim + d) as u32);
            }
            scale_at.push((start + layout.head_len() + slot * size_of::<f32>()) as u32);
        }
    }
    let flat = cache.flatten_all()?;
    let put = |at: Vec<u32>, cells: Tensor| {
        flat.scatter_set(&Tensor::from_vec(at, cells.elem_count(), cache.device())?, &cells.flatten_all()?, 0)
    };
    for (which, at, numbers) in [(0, key_at, keys), (1, value_at, values)] {
        if !format.has_scales() {
            put(at, numbers.contiguous()?.to_dtype(cache.dtype())?)?;
            continue;
        }
        let scales = (numbers.abs()?.max_keepdim(2)? / 127.0)?;
        let in_scales = numbers.broadcast_div(&scales.maximum(f32::MIN_POSITIVE)?)?.flatten_all()?.to_vec1::<f32>()?;
        let bytes = in_scales.iter().map(|q| (q.round_ties_even() as i8).cast_unsigned()).collect();
        put(at, Tensor::from_vec(bytes, rows * kv_heads * head_dim, cache.device())?)?;
        let bytes: Vec<u8> = scales.flatten_all()?.to_vec1::<f32>()?.iter().flat_map(|s| s.to_ne_bytes()).collect();
        let at =
            scale_at.iter().flat_map(|at| (0..4).map(move |byte| at + (which * BLOCK * 4) as u32 + byte)).collect();
        put(at, Tensor::from_vec(bytes, rows * kv_heads * 4, cache.device())?)?;
    }
    Ok(())
}
