//! The heads of a group together in AVX512: a key or value is loaded once for up to four heads. The same sums in the same order as
//! the plain loops of `head_group`, bit for bit.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use crate::cell::Cell;
use crate::kv_layout::BLOCK;
use crate::past::{CHAINS, Past, weigh};

/// Floats in a vector.
const LANES: usize = 16;

/// As `head_group::attend`; `head_dim` is a multiple of 16.
pub fn attend<C: Cell>(queries: &[f32], past: &Past<'_, C>, scores: &mut Vec<f32>, out: &mut [f32]) {
    let head_dim = past.layout.head_dim;
    assert!(queries.len() == out.len() && queries.len().is_multiple_of(head_dim) && head_dim.is_multiple_of(LANES));
    for (queries, out) in queries.chunks(4 * head_dim).zip(out.chunks_mut(4 * head_dim)) {
        let heads = queries.len() / head_dim;
        scores.resize(heads * past.len() * BLOCK, 0.0);
        // SAFETY: only called where `Isa::available` found AVX512; the lengths are those of as many heads.
        unsafe {
            match heads {
                4 => group::<C, 4>(queries, past, scores, out),
                3 => group::<C, 3>(queries, past, scores, out),
                2 => group::<C, 2>(queries, past, scores, out),
                _ => group::<C, 1>(queries, past, scores, out),
            }
        }
    }
}

/// # Safety
/// The processor has AVX512 and F16C; `queries` and `out` are `G` heads, `scores` as many rows of `past.len()` blocks.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
unsafe fn group<C: Cell, const G: usize>(queries: &[f32], past: &Past<'_, C>, scores: &mut [f32], out: &mut [f32]) {
    let head_dim = past.layout.head_dim;
    let width = past.len() * BLOCK;
    for index in 0..past.len() {
        let (keys, _) = past.block(index);
        // The next block lies anywhere: ask for it while this one is computed. Behind the last keys come the first values.
        let next = if index + 1 < past.len() { past.block(index + 1).0 } else { past.block(0).1 };
        let mut chains = [[_mm512_setzero_ps(); CHAINS]; G];
        for d in (0..head_dim).step_by(CHAINS) {
            prefetch(&next[d * BLOCK..(d + CHAINS) * BLOCK]);
            for c in 0..CHAINS {
                // SAFETY: `d + c` is less than `head_dim`, a multiple of 16: inside the keys and inside every query.
                unsafe {
                    let key = C::sixteen(keys.as_ptr().add((d + c) * BLOCK));
                    for (g, chains) in chains.iter_mut().enumerate() {
                        let q = _mm512_set1_ps(*queries.get_unchecked(g * head_dim + d + c));
                        chains[c] = _mm512_fmadd_ps(q, key, chains[c]);
                    }
                }
            }
        }
        let scales = past.key_scales(index);
        if C::FORMAT.has_scales() {
            let (keys, values) = past.scale_cells((index + 1).min(past.len() - 1));
            prefetch(keys);
            prefetch(values);
        }
        for (g, [a, b, c, d]) in chains.into_iter().enumerate() {
            let mut score = _mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d));
            if C::FORMAT.has_scales() {
                // SAFETY: a block has 16 scales.
                score = _mm512_mul_ps(score, unsafe { _mm512_loadu_ps(scales.as_ptr()) });
            }
            let place = &mut scores[g * width + index * BLOCK..][..BLOCK];
            // SAFETY: a block is 16 floats.
            unsafe { _mm512_storeu_ps(place.as_mut_ptr(), score) };
        }
    }
    let mut sums = [0.0; G];
    for (sum, scores) in sums.iter_mut().zip(scores.chunks_exact_mut(width)) {
        *sum = weigh(scores, past.first, past.last, past.soft_cap);
        past.in_value_scales(scores);
    }
    let mut d = 0;
    while d < head_dim {
        // SAFETY: `d` and the vectors from it on lie inside a head.
        unsafe {
            if head_dim - d >= 4 * LANES {
                values::<C, G, 4>(past, scores, sums, d, out);
                d += 4 * LANES;
            } else {
                values::<C, G, 1>(past, scores, sums, d, out);
                d += LANES;
            }
        }
    }
}

/// Ask for the cache lines of a slice.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn prefetch<C>(slice: &[C]) {
    let from = slice.as_ptr().cast::<i8>();
    for line in (0..size_of_val(slice)).step_by(64) {
        // SAFETY: needs no more than SSE; a prefetch reads nothing that the program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(line)) };
    }
}

/// `V` vectors of every head's output, from element `d` of the head on.
///
/// # Safety
/// As for [`group`], and `d + 16 V` is at most `head_dim`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
#[inline]
unsafe fn values<C: Cell, const G: usize, const V: usize>(
    past: &Past<'_, C>,
    weights: &[f32],
    sums: [f32; G],
    d: usize,
    out: &mut [f32],
) {
    let head_dim = past.layout.head_dim;
    let width = past.len() * BLOCK;
    let mut acc = [[_mm512_setzero_ps(); V]; G];
    for index in 0..past.len() {
        let (_, values) = past.block(index);
        let next = past.block((index + 1).min(past.len() - 1)).1;
        for j in past.seen(index) {
            prefetch(&next[j * head_dim + d..][..V * LANES]);
            // SAFETY: position `j` of the block has `head_dim` values; every head has a weight for each of `width` positions.
            unsafe {
                let from = values.as_ptr().add(j * head_dim + d);
                let value: [__m512; V] = std::array::from_fn(|v| C::sixteen(from.add(v * LANES)));
                for (g, acc) in acc.iter_mut().enumerate() {
                    let weight = _mm512_set1_ps(*weights.get_unchecked(g * width + index * BLOCK + j));
                    for (acc, value) in acc.iter_mut().zip(value) {
                        *acc = _mm512_fmadd_ps(weight, value, *acc);
                    }
                }
            }
        }
    }
    for ((out, acc), sum) in out.chunks_exact_mut(head_dim).zip(acc).zip(sums) {
        for (out, acc) in out[d..].chunks_exact_mut(LANES).zip(acc) {
            // SAFETY: a chunk is 16 floats.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_div_ps(acc, _mm512_set1_ps(sum))) };
        }
    }
}
