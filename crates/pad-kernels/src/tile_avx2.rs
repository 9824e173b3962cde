//! The quantised tile product in AVX2, and in AVX-VNNI for processors that have its instruction but not AVX512. The same sums in the
//! same order as the plain loops of `tile`, bit for bit.
//!
//! `vpmaddubsw` multiplies 32 unsigned weights with 32 signed inputs and adds pairs of products in 16 bits, where a pair with whole
//! bytes would not fit. It fits with 4 bits: `2 * 15 * 127 = 3810`, and so do the sums of four such pairs. Bytes are multiplied as
//! two halves of 4 bits. `vpdpbusd` needs none of this: it adds in 32 bits.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T1, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_srli_epi16, _mm256_storeu_ps,
};
use std::mem::MaybeUninit;

use crate::activation::{HALF, QuantisedBlock};
use crate::packed::{Format, TILE};
use crate::tile::{ROWS, assert_lengths};
use crate::tile_vnni::AHEAD;

/// Outputs in a vector.
const LANES: usize = 8;
/// Vectors that hold a tile's outputs.
const SIDES: usize = TILE / LANES;
/// Groups of four inputs under one scale.
const GROUPS: usize = HALF / 4;

/// Weights of half a block: `[group][side]`, each vector 8 outputs by 4 inputs.
type Weights = [[__m256i; SIDES]; GROUPS];

/// At most [`ROWS`] rows, as many as `sums` has; `x` is `[rows, blocks]`. `VNNI` on a processor that has AVX-VNNI.
pub fn product<const VNNI: bool>(q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    assert_lengths(q4, tile, x, sums);
    // SAFETY: only called for a set that `Isa::available` found on this processor; the lengths agree as asserted.
    unsafe {
        match (q4, VNNI, sums.len()) {
            (true, true, 1) => rows_vnni::<1, true>(tile, x, sums),
            (true, true, _) => rows_vnni::<ROWS, true>(tile, x, sums),
            (true, false, 1) => rows::<1, true>(tile, x, sums),
            (true, false, _) => rows::<ROWS, true>(tile, x, sums),
            (false, true, 1) => rows_vnni::<1, false>(tile, x, sums),
            (false, true, _) => rows_vnni::<ROWS, false>(tile, x, sums),
            (false, false, 1) => rows::<1, false>(tile, x, sums),
            (false, false, _) => rows::<ROWS, false>(tile, x, sums),
        }
    }
}

/// # Safety
/// As for [`body`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows<const MOST: usize, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    // SAFETY: the caller's.
    unsafe { body::<MOST, Q4, false>(tile, x, sums) }
}

/// # Safety
/// As for [`body`].
#[target_feature(enable = "avx2,avxvnni,fma,f16c")]
unsafe fn rows_vnni<const MOST: usize, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    // SAFETY: the caller's.
    unsafe { body::<MOST, Q4, true>(tile, x, sums) }
}

/// Half a block at a time for all rows: its weights and one row's sums fit into the sixteen registers. One row is a case of its own,
/// whose sums stay in registers; more are counted at run time, or the compiler would compute several at once, for which the registers
/// are too few.
///
/// # Safety
/// The processor has AVX2, FMA and F16C, and AVX-VNNI if `VNNI`; `sums` has at most `MOST` rows, and `tile` holds
/// `x.len() / sums.len()` blocks of its format.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
unsafe fn body<const MOST: usize, const Q4: bool, const VNNI: bool>(
    tile: &[u8],
    x: &[QuantisedBlock],
    sums: &mut [[f32; TILE]],
) {
    let format = if Q4 { Format::Q4 } else { Format::Q8 };
    let sums = if MOST == 1 { &mut sums[..1] } else { sums };
    let blocks = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    // SAFETY: `w` points at block `b` of the tile, whose `block_bytes` are read below and nothing beyond them; every row has a
    // block `b`, its sums are `SIDES` vectors, and the second half of a block reads as many of `first` as the first has written.
    // The instructions are the caller's promise.
    unsafe {
        let mut first = [[MaybeUninit::uninit(); SIDES]; MOST];
        let mut w = tile.as_ptr();
        for b in 0..blocks {
            let scale = halves(w);
            let min = if Q4 { halves(w.add(2 * TILE)) } else { scale };
            for line in 0..format.block_bytes().div_ceil(64) {
                // A prefetch of an address that is not there does nothing.
                _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(AHEAD + 64 * line).cast());
            }
            let q = weights::<Q4, VNNI>(w, 0);
            for (m, first) in first.iter_mut().enumerate().take(sums.len()) {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot::<Q4, VNNI>(&q, a, 0);
                for side in 0..SIDES {
                    first[side].write(_mm256_mul_ps(dot[side], _mm256_set1_ps(a.scale[0])));
                }
            }
            let q = weights::<Q4, VNNI>(w, 1);
            for (m, (sums, first)) in sums.iter_mut().zip(&first).enumerate() {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot::<Q4, VNNI>(&q, a, 1);
                for side in 0..SIDES {
                    let place = sums.as_mut_ptr().add(side * LANES);
                    let both = _mm256_fmadd_ps(dot[side], _mm256_set1_ps(a.scale[1]), first[side].assume_init());
                    let mut sum = _mm256_fmadd_ps(both, scale[side], _mm256_loadu_ps(place));
                    if Q4 {
                        sum = _mm256_fmadd_ps(min[side], _mm256_set1_ps(a.sum), sum);
                    }
                    _mm256_storeu_ps(place, sum);
                }
            }
            w = w.add(format.block_bytes());
        }
    }
}

/// A tile's half-precision numbers, one for each output.
///
/// # Safety
/// They lie at `from`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn halves(from: *const u8) -> [__m256; SIDES] {
    let mut values = [_mm256_setzero_ps(); SIDES];
    for (side, values) in values.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *values = _mm256_cvtph_ps(unsafe { _mm_loadu_si128(from.add(2 * side * LANES).cast()) });
    }
    values
}

/// The weights of one half of the block at `w`, in the form that [`dot`] takes: bytes twice, or their low and their high halves.
///
/// # Safety
/// There is such a block, and the processor has AVX2.
#[inline(always)]
#[expect(clippy::inline_always, reason = "`half` is known where it is inlined")]
unsafe fn weights<const Q4: bool, const VNNI: bool>(w: *const u8, half: usize) -> [Weights; 2] {
    // SAFETY: the caller's; a group is 64 bytes.
    unsafe {
        let from = w.add(if Q4 { 4 * TILE } else { 2 * TILE + half * HALF * TILE });
        let mut q = [[_mm256_setzero_si256(); SIDES]; GROUPS];
        for (g, q) in q.iter_mut().enumerate() {
            for (side, q) in q.iter_mut().enumerate() {
                *q = _mm256_loadu_si256(from.add((g * SIDES + side) * 32).cast());
            }
        }
        match (Q4, VNNI) {
            (true, _) => [nibbles(q)[half]; 2],
            (false, true) => [q; 2],
            (false, false) => nibbles(q),
        }
    }
}

/// The low and the high half of every byte.
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles(bytes: Weights) -> [Weights; 2] {
    let (mut low, mut high) = (bytes, bytes);
    let mask = _mm256_set1_epi8(15);
    for g in 0..GROUPS {
        for side in 0..SIDES {
            low[g][side] = _mm256_and_si256(bytes[g][side], mask);
            high[g][side] = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes[g][side]), mask);
        }
    }
    [low, high]
}

/// Four inputs, for every output.
///
/// # Safety
/// They lie at `from`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn four(from: *const i8) -> __m256i {
    // SAFETY: the caller's.
    _mm256_set1_epi32(unsafe { from.cast::<i32>().read_unaligned() })
}

/// The sums of half a block's inputs with its weights, exact integers.
///
/// # Safety
/// The processor has AVX2, and AVX-VNNI if `VNNI`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
unsafe fn dot<const Q4: bool, const VNNI: bool>(q: &[Weights; 2], a: &QuantisedBlock, half: usize) -> [__m256; SIDES] {
    let start = if Q4 { 0 } else { a.start[half] };
    // SAFETY: the inputs of one half; the instructions are the caller's promise.
    unsafe {
        let inputs = a.q.as_ptr().add(half * HALF);
        let mut sums = [_mm256_set1_epi32(start); SIDES];
        if VNNI {
            add_bytes(&mut sums, &q[0], inputs);
        } else {
            add_nibbles(&mut sums, &q[0], inputs, 1);
            if !Q4 {
                add_nibbles(&mut sums, &q[1], inputs, 16);
            }
        }
        let mut dot = [_mm256_setzero_ps(); SIDES];
        for side in 0..SIDES {
            dot[side] = _mm256_cvtepi32_ps(sums[side]);
        }
        dot
    }
}

/// Add `factor` times the products with weights of 4 bits.
///
/// # Safety
/// There are `HALF` inputs.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add_nibbles(sums: &mut [__m256i; SIDES], q: &Weights, inputs: *const i8, factor: i16) {
    let mut pairs = [_mm256_setzero_si256(); SIDES];
    for (g, q) in q.iter().enumerate() {
        // SAFETY: the caller's.
        let x = unsafe { four(inputs.add(4 * g)) };
        for (pairs, q) in pairs.iter_mut().zip(q) {
            *pairs = _mm256_add_epi16(*pairs, _mm256_maddubs_epi16(*q, x));
        }
    }
    for (sum, pairs) in sums.iter_mut().zip(pairs) {
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(factor)));
    }
}

/// Add the products with weights of up to 8 bits.
///
/// # Safety
/// There are `HALF` inputs.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn add_bytes(sums: &mut [__m256i; SIDES], q: &Weights, inputs: *const i8) {
    for (g, q) in q.iter().enumerate() {
        // SAFETY: the caller's.
        let x = unsafe { four(inputs.add(4 * g)) };
        for (sum, q) in sums.iter_mut().zip(q) {
            *sum = _mm256_dpbusd_avx_epi32(*sum, *q, x);
        }
    }
}
