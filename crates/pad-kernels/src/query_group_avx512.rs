//! Queries of a KV head together in AVX512: a key or value is loaded once for up to twelve of them. The same sums in the same order as the
//! plain loops of `query_group`, bit for bit.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use crate::cell::Cell;
use crate::kv_layout::BLOCK;
use crate::part::{CHAINS, Mass, PART, Part, Scratch, Seen};

/// Values in a head at most; longer heads take the plain loops.
pub const MOST_DIM: usize = 256;

/// Floats in a vector.
const LANES: usize = 16;

/// Queries that are computed together at most: their sums fit the registers.
const MOST: usize = 12;

/// Up to so many queries have all chains of their scores in registers at once.
const FEW: usize = 6;

/// Blocks ahead of the present one to ask for, into the second-level cache: far enough to hide the memory's latency.
const AHEAD: usize = 2;

/// As `query_group::attend`; `head_dim` is a multiple of 16, at most [`MOST_DIM`].
pub fn attend<C: Cell>(
    queries: &[f32],
    part: &Part<'_, C>,
    seen: &[Seen],
    scratch: &mut Scratch,
    out: &mut [f32],
    masses: &mut [Mass],
) {
    let head_dim = part.layout.head_dim;
    assert!(queries.len() == out.len() && queries.len() == seen.len() * head_dim && seen.len() == masses.len());
    assert!(head_dim.is_multiple_of(LANES) && head_dim <= MOST_DIM && part.len() * BLOCK <= PART);
    let together = seen.len().min(MOST);
    scratch.scores.resize(together * PART, 0.0);
    scratch.queries.resize(together * MOST_DIM, 0.0);
    let mut at = 0;
    while at < seen.len() {
        let count = match seen.len() - at {
            MOST.. => MOST,
            left @ 9.. => left.min(8),
            left => left,
        };
        let these = at * head_dim..(at + count) * head_dim;
        let group = (&queries[these.clone()], &seen[at..at + count]);
        let result = (&mut out[these], &mut masses[at..at + count]);
        // SAFETY: only called where `Isa::available` found AVX512; the lengths are those of as many queries.
        unsafe {
            match count {
                12 => group_of::<C, 12>(group, part, scratch, result),
                8 => group_of::<C, 8>(group, part, scratch, result),
                7 => group_of::<C, 7>(group, part, scratch, result),
                6 => group_of::<C, 6>(group, part, scratch, result),
                5 => group_of::<C, 5>(group, part, scratch, result),
                4 => group_of::<C, 4>(group, part, scratch, result),
                3 => group_of::<C, 3>(group, part, scratch, result),
                2 => group_of::<C, 2>(group, part, scratch, result),
                _ => group_of::<C, 1>(group, part, scratch, result),
            }
        }
        at += count;
    }
}

/// # Safety
/// The processor has AVX512 and F16C; queries, what they see, outputs and masses are those of `Q` queries; there is scratch for them, and
/// the part has at most [`PART`] positions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
unsafe fn group_of<C: Cell, const Q: usize>(
    (queries, seen): (&[f32], &[Seen]),
    part: &Part<'_, C>,
    scratch: &mut Scratch,
    (out, masses): (&mut [f32], &mut [Mass]),
) {
    let head_dim = part.layout.head_dim;
    // At a distance that is known when this is compiled: the addresses of all queries are then one register and a number.
    let spread = &mut scratch.queries[..Q * MOST_DIM];
    for (spread, query) in spread.chunks_exact_mut(MOST_DIM).zip(queries.chunks_exact(head_dim)) {
        spread[..head_dim].copy_from_slice(query);
    }
    let scores = &mut scratch.scores[..Q * PART];
    for index in 0..part.len() {
        // SAFETY: `spread` holds `Q` queries and `scores` has room for `Q` rows of a part, of which `index` is a block.
        unsafe { score::<C, Q>(part, index, spread, scores) };
    }
    for ((scores, seen), mass) in scores.chunks_exact_mut(PART).zip(seen).zip(masses) {
        *mass = part.weigh(&mut scores[..part.len() * BLOCK], *seen);
    }
    let mut d = 0;
    while d < head_dim {
        // SAFETY: `d` and the vectors from it on lie inside a head.
        unsafe {
            match (head_dim - d) / LANES {
                4.. if Q <= FEW => {
                    values::<C, Q, 4>(part, scores, seen, d, out);
                    d += 4 * LANES;
                }
                2.. => {
                    values::<C, Q, 2>(part, scores, seen, d, out);
                    d += 2 * LANES;
                }
                _ => {
                    values::<C, Q, 1>(part, scores, seen, d, out);
                    d += LANES;
                }
            }
        }
    }
}

/// The scores of all queries at the positions of block `index`.
///
/// # Safety
/// As for [`group_of`]; `queries` is `[Q][MOST_DIM]`, `scores` `[Q][PART]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
#[inline]
unsafe fn score<C: Cell, const Q: usize>(part: &Part<'_, C>, index: usize, queries: &[f32], scores: &mut [f32]) {
    // Blocks lie anywhere: ask for a later one while this one is computed. Behind the last keys come the first values.
    let later = index + AHEAD;
    let (keys, ahead) = (
        part.block(index).0,
        if later < part.len() { part.block(later).0 } else { part.block((later - part.len()).min(index)).1 },
    );
    let scales = part.key_scales(index);
    if C::FORMAT.has_scales() {
        let (keys, values) = part.scale_cells((index + 1).min(part.len() - 1));
        prefetch::<_MM_HINT_T0, C>(keys);
        prefetch::<_MM_HINT_T0, C>(values);
    }
    let store = |q: usize, score: __m512, scores: &mut [f32]| {
        let place = &mut scores[q * PART + index * BLOCK..][..BLOCK];
        // SAFETY: a block is 16 floats, and has 16 scales.
        unsafe {
            let scale = || _mm512_loadu_ps(scales.as_ptr());
            let score = if C::FORMAT.has_scales() { _mm512_mul_ps(score, scale()) } else { score };
            _mm512_storeu_ps(place.as_mut_ptr(), score);
        }
    };
    // SAFETY: the caller's.
    unsafe {
        if Q <= FEW {
            let [a, b, c, d] = chains::<C, Q, CHAINS>(keys, queries, 0, ahead);
            for q in 0..Q {
                store(q, _mm512_add_ps(_mm512_add_ps(a[q], b[q]), _mm512_add_ps(c[q], d[q])), scores);
            }
        } else {
            // Two chains at a time, and their sum waits in the place of the score.
            let [[a], [b]] = [chains::<C, Q, 1>(keys, queries, 0, ahead), chains::<C, Q, 1>(keys, queries, 1, ahead)];
            let half: [__m512; Q] = std::array::from_fn(|q| _mm512_add_ps(a[q], b[q]));
            for (q, half) in half.iter().enumerate() {
                _mm512_storeu_ps(scores[q * PART + index * BLOCK..][..BLOCK].as_mut_ptr(), *half);
            }
            let [[c], [d]] = [chains::<C, Q, 1>(keys, queries, 2, ahead), chains::<C, Q, 1>(keys, queries, 3, ahead)];
            for q in 0..Q {
                let half = _mm512_loadu_ps(scores[q * PART + index * BLOCK..][..BLOCK].as_ptr());
                store(q, _mm512_add_ps(half, _mm512_add_ps(c[q], d[q])), scores);
            }
        }
    }
}

/// `N` of the chains that scores are added up in, from chain `first` on: `sum_d query_d key_d` over every fourth `d`.
///
/// # Safety
/// As for [`score`]; `keys` is `[head_dim][BLOCK]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
#[inline]
unsafe fn chains<C: Cell, const Q: usize, const N: usize>(
    keys: &[C],
    queries: &[f32],
    first: usize,
    ahead: &[C],
) -> [[__m512; Q]; N] {
    let mut chains = [[_mm512_setzero_ps(); Q]; N];
    for d in (first..keys.len() / BLOCK).step_by(CHAINS) {
        // A little at a time: many at once would hold up what is needed now.
        prefetch::<_MM_HINT_T1, C>(&ahead[d * BLOCK..(d + N) * BLOCK]);
        for (c, chain) in chains.iter_mut().enumerate() {
            // SAFETY: `d + c` is less than `head_dim`, a multiple of 16: inside the keys and inside every query.
            unsafe {
                let key = C::sixteen(keys.as_ptr().add((d + c) * BLOCK));
                for (q, sum) in chain.iter_mut().enumerate() {
                    *sum = _mm512_fmadd_ps(_mm512_set1_ps(*queries.get_unchecked(q * MOST_DIM + d + c)), key, *sum);
                }
            }
        }
    }
    chains
}

/// Ask for the cache lines of a slice.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn prefetch<const HINT: i32, C>(slice: &[C]) {
    let from = slice.as_ptr().cast::<i8>();
    for line in (0..size_of_val(slice)).step_by(64) {
        // SAFETY: needs no more than SSE; a prefetch reads nothing that the program can see.
        unsafe { _mm_prefetch::<HINT>(from.wrapping_add(line)) };
    }
}

/// `V` vectors of every query's output, from element `d` of the head on.
///
/// # Safety
/// As for [`group_of`], and `d + 16 V` is at most `head_dim`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
#[inline]
unsafe fn values<C: Cell, const Q: usize, const V: usize>(
    part: &Part<'_, C>,
    weights: &[f32],
    seen: &[Seen],
    d: usize,
    out: &mut [f32],
) {
    let head_dim = part.layout.head_dim;
    let first = seen.iter().map(|seen| seen.first).max().unwrap_or(0);
    let last = seen.iter().map(|seen| seen.last).min().unwrap_or(0);
    let mut acc = [[_mm512_setzero_ps(); V]; Q];
    for index in 0..part.len() {
        let (_, values) = part.block(index);
        let later = part.block((index + AHEAD).min(part.len() - 1)).1;
        let by_all = index * BLOCK >= first && (index + 1) * BLOCK <= last + 1;
        for j in 0..BLOCK {
            prefetch::<_MM_HINT_T1, C>(&later[j * head_dim + d..][..V * LANES]);
            let at = index * BLOCK + j;
            // SAFETY: position `j` of the block has `head_dim` values; every query has a weight for each position of the part.
            unsafe {
                let from = values.as_ptr().add(j * head_dim + d);
                let value: [__m512; V] = std::array::from_fn(|v| C::sixteen(from.add(v * LANES)));
                let weight = |q: usize| _mm512_set1_ps(*weights.get_unchecked(q * PART + at));
                if by_all {
                    for (q, acc) in acc.iter_mut().enumerate() {
                        for (acc, value) in acc.iter_mut().zip(value) {
                            *acc = _mm512_fmadd_ps(weight(q), value, *acc);
                        }
                    }
                } else {
                    // What a query does not see may be no number.
                    for (q, acc) in acc.iter_mut().enumerate() {
                        if (seen.get_unchecked(q).first..=seen.get_unchecked(q).last).contains(&at) {
                            for (acc, value) in acc.iter_mut().zip(value) {
                                *acc = _mm512_fmadd_ps(weight(q), value, *acc);
                            }
                        }
                    }
                }
            }
        }
    }
    for (out, acc) in out.chunks_exact_mut(head_dim).zip(acc) {
        for (out, acc) in out[d..].chunks_exact_mut(LANES).zip(acc) {
            // SAFETY: a chunk is 16 floats.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), acc) };
        }
    }
}
