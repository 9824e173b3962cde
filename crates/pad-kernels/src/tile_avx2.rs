//! The quantised tile product in AVX2, and in AVX-VNNI for processors that have its instruction but not AVX512. The same sums in the
//! same order as the plain loops of `tile`, bit for bit.
//!
//! `vpmaddubsw` multiplies 32 unsigned weights with 32 signed inputs and adds pairs of products in 16 bits, where a pair with whole
//! bytes would not fit. It fits with up to 5 bits, and so do the sums of four such pairs: `4 * 2 * 31 * 127 = 31496`; with 6 bits the
//! sums of two pairs do: `2 * 2 * 63 * 127 = 32004`. Bytes are multiplied as two halves of 4 bits. `vpdpbusd` needs none of this: it
//! adds in 32 bits.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T1, _mm_cvtsi32_si128, _mm_loadl_epi64, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_cvtph_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_sll_epi16, _mm256_srl_epi16, _mm256_srli_epi16, _mm256_storeu_ps,
};
use std::mem::MaybeUninit;

use crate::format::{CODEBOOK, Format, Known, TILE, for_format};
use crate::quantised_block::{HALF, QuantisedBlock};
use crate::row_group::{AHEAD, ROWS, assert_lengths};

/// Outputs in a vector.
const LANES: usize = 8;
/// Vectors that hold a tile's outputs.
const SIDES: usize = TILE / LANES;
/// Groups of four inputs under one scale.
const GROUPS: usize = HALF / 4;

/// Weights of half a block: `[group][side]`, each vector 8 outputs by 4 inputs.
type Weights = [[__m256i; SIDES]; GROUPS];

/// At most [`ROWS`] rows, as many as `sums` has; `x` is `[rows, blocks]`. `VNNI` on a processor that has AVX-VNNI.
pub fn product<const VNNI: bool>(format: Format, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    assert_lengths(format, tile, x, sums);
    // SAFETY: only called for a set that `Isa::available` found on this processor; the lengths agree as asserted.
    unsafe {
        match (VNNI, sums.len()) {
            (true, 1) => for_format!(format, K => rows_vnni::<1, K>(tile, x, sums)),
            (true, _) => for_format!(format, K => rows_vnni::<ROWS, K>(tile, x, sums)),
            (false, 1) => for_format!(format, K => rows::<1, K>(tile, x, sums)),
            (false, _) => for_format!(format, K => rows::<ROWS, K>(tile, x, sums)),
        }
    }
}

/// # Safety
/// As for [`body`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows<const MOST: usize, K: Known>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    // SAFETY: the caller's.
    unsafe { body::<MOST, K, false>(tile, x, sums) }
}

/// # Safety
/// As for [`body`].
#[target_feature(enable = "avx2,avxvnni,fma,f16c")]
unsafe fn rows_vnni<const MOST: usize, K: Known>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    // SAFETY: the caller's.
    unsafe { body::<MOST, K, true>(tile, x, sums) }
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
unsafe fn body<const MOST: usize, K: Known, const VNNI: bool>(
    tile: &[u8],
    x: &[QuantisedBlock],
    sums: &mut [[f32; TILE]],
) {
    let (format, of_unit) = (K::FORMAT, K::FORMAT.unit_blocks());
    let sums = if MOST == 1 { &mut sums[..1] } else { sums };
    let blocks = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    // SAFETY: `w` points at the unit of block `b`, of whose `unit_bytes` some are read below and nothing beyond them; every row has a
    // block `b`, its sums are `SIDES` vectors, and the second half of a block reads as many of `first` as the first has written.
    // The instructions are the caller's promise.
    unsafe {
        let mut first = [[MaybeUninit::uninit(); SIDES]; MOST];
        for b in 0..blocks {
            let (w, index) = (tile.as_ptr().add(b / of_unit * format.unit_bytes()), b % of_unit);
            let (scale, min) = scales::<K>(w, index);
            let lines = format.unit_bytes().div_ceil(64 * of_unit);
            for line in index * lines..(index + 1) * lines {
                // A prefetch of an address that is not there does nothing.
                _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(AHEAD + 64 * line).cast());
            }
            let values = w.add(format.body() + index * format.body_bytes());
            let q = weights::<K, VNNI>(values, 0);
            for (m, first) in first.iter_mut().enumerate().take(sums.len()) {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot::<K, VNNI>(&q, a, 0);
                for side in 0..SIDES {
                    first[side].write(_mm256_mul_ps(dot[side], _mm256_set1_ps(a.scale[0])));
                }
            }
            let q = weights::<K, VNNI>(values, 1);
            for (m, (sums, first)) in sums.iter_mut().zip(&first).enumerate() {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot::<K, VNNI>(&q, a, 1);
                for side in 0..SIDES {
                    let place = sums.as_mut_ptr().add(side * LANES);
                    let (first, second) = (first[side].assume_init(), _mm256_set1_ps(a.scale[1]));
                    let mut sum = _mm256_loadu_ps(place);
                    if format.has_half_scales() {
                        sum = _mm256_fmadd_ps(first, scale[0][side], sum);
                        sum = _mm256_fmadd_ps(_mm256_mul_ps(dot[side], second), scale[1][side], sum);
                    } else {
                        sum = _mm256_fmadd_ps(_mm256_fmadd_ps(dot[side], second, first), scale[0][side], sum);
                    }
                    if format.has_min() {
                        sum = _mm256_fmadd_ps(min[side], _mm256_set1_ps(a.sum), sum);
                    }
                    _mm256_storeu_ps(place, sum);
                }
            }
        }
    }
}

/// Scales of the two halves, and minima, of a block of the unit at `w`.
///
/// # Safety
/// There is such a unit.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scales<K: Known>(w: *const u8, block: usize) -> ([[__m256; SIDES]; 2], [__m256; SIDES]) {
    // SAFETY: the caller's.
    unsafe {
        let scale = halves(w);
        let min = if K::FORMAT.has_min() { halves(w.add(2 * TILE)) } else { scale };
        if !K::FORMAT.is_staged() {
            return ([scale; 2], min);
        }
        let mut both = [scale, min];
        for (i, both) in both.iter_mut().enumerate().take(K::FORMAT.factors()) {
            for (side, of) in both.iter_mut().enumerate() {
                let at = K::FORMAT.factor(block, i) + side * LANES;
                let bytes = _mm_loadl_epi64(w.add(at).cast());
                let factors = if K::FORMAT.has_signed_factors() {
                    _mm256_cvtepi8_epi32(bytes)
                } else {
                    _mm256_cvtepu8_epi32(bytes)
                };
                *of = _mm256_mul_ps(*of, _mm256_cvtepi32_ps(factors));
            }
        }
        if K::FORMAT.has_half_scales() { (both, scale) } else { ([both[0]; 2], both[1]) }
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

/// The weights of one half of the block whose values lie at `q`, in the form that [`dot`] takes: the same twice, or the low and the
/// high halves of bytes.
///
/// # Safety
/// There is such a block, and the processor has AVX2.
#[inline(always)]
#[expect(clippy::inline_always, reason = "`half` is known where it is inlined")]
unsafe fn weights<K: Known, const VNNI: bool>(q: *const u8, half: usize) -> [Weights; 2] {
    // SAFETY: the caller's; a group is 64 bytes, the codebook 16.
    unsafe {
        let vector = |group: usize, side: usize| _mm256_loadu_si256(q.add((group * SIDES + side) * 32).cast());
        let bits = K::FORMAT.bits();
        let codebook = _mm256_broadcastsi128_si256(_mm_loadu_si128(CODEBOOK.as_ptr().cast()));
        let mut weights = [[_mm256_setzero_si256(); SIDES]; GROUPS];
        for (g, weights) in weights.iter_mut().enumerate() {
            for (side, weights) in weights.iter_mut().enumerate() {
                *weights = match bits {
                    8 => vector(half * GROUPS + g, side),
                    _ => masked(vector(g, side), -4 * half as i32, 15),
                };
                match bits {
                    5 => {
                        let fifth = masked(vector(GROUPS, side), 4 - (half * GROUPS + g) as i32, 16);
                        *weights = _mm256_or_si256(*weights, fifth);
                    }
                    6 => {
                        let high = masked(vector(GROUPS + half, side), 4 - 2 * g as i32, 48);
                        *weights = _mm256_or_si256(*weights, high);
                    }
                    _ if K::FORMAT.has_codebook() => *weights = _mm256_shuffle_epi8(codebook, *weights),
                    _ => {}
                }
            }
        }
        if K::FORMAT.value_bits() == 8 && !VNNI { nibbles(weights) } else { [weights; 2] }
    }
}

/// Bytes shifted to the left, or by a negative number to the right, of which the bits of `mask` are kept.
#[inline]
#[target_feature(enable = "avx2")]
fn masked(bytes: __m256i, left: i32, mask: i8) -> __m256i {
    let count = _mm_cvtsi32_si128(left.abs());
    let shifted = if left < 0 { _mm256_srl_epi16(bytes, count) } else { _mm256_sll_epi16(bytes, count) };
    _mm256_and_si256(shifted, _mm256_set1_epi8(mask))
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
unsafe fn dot<K: Known, const VNNI: bool>(q: &[Weights; 2], a: &QuantisedBlock, half: usize) -> [__m256; SIDES] {
    let bits = K::FORMAT.value_bits();
    // The block's own start is that of an offset of 128.
    let start = if K::FORMAT.offset() == 0 { 0 } else { a.start[half] >> (8 - bits) };
    // SAFETY: the inputs of one half; the instructions are the caller's promise.
    unsafe {
        let inputs = a.q.as_ptr().add(half * HALF);
        let mut sums = [_mm256_set1_epi32(start); SIDES];
        if VNNI {
            add_bytes(&mut sums, &q[0], inputs);
        } else if bits == 6 {
            add_pairs::<2>(&mut sums, &q[0], inputs, 1);
        } else {
            add_pairs::<GROUPS>(&mut sums, &q[0], inputs, 1);
            if bits == 8 {
                add_pairs::<GROUPS>(&mut sums, &q[1], inputs, 16);
            }
        }
        let mut dot = [_mm256_setzero_ps(); SIDES];
        for side in 0..SIDES {
            dot[side] = _mm256_cvtepi32_ps(sums[side]);
        }
        dot
    }
}

/// Add `factor` times the products with weights so small that the sums of `TOGETHER` pairs of them fit into 16 bits.
///
/// # Safety
/// There are `HALF` inputs.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add_pairs<const TOGETHER: usize>(sums: &mut [__m256i; SIDES], q: &Weights, inputs: *const i8, factor: i16) {
    for (i, q) in q.chunks_exact(TOGETHER).enumerate() {
        let mut pairs = [_mm256_setzero_si256(); SIDES];
        for (g, q) in q.iter().enumerate() {
            // SAFETY: the caller's.
            let x = unsafe { four(inputs.add(4 * (i * TOGETHER + g))) };
            for (pairs, q) in pairs.iter_mut().zip(q) {
                *pairs = _mm256_add_epi16(*pairs, _mm256_maddubs_epi16(*q, x));
            }
        }
        for (sum, pairs) in sums.iter_mut().zip(pairs) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(factor)));
        }
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
