//! The quantised tile product in AVX512-VNNI: `vpdpbusd` multiplies 64 unsigned weights with 64 signed inputs and adds them by
//! fours into 16 sums. The same sums in the same order as the plain loops of `tile`, bit for bit.
//!
//! Weights with an offset are shifted to the upper end of their byte, so that the offset is 128 for all of them and the integer sums
//! start at [`QuantisedBlock::start`]; their scales are divided by as much, which is exact.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T1, _mm_loadu_si128, _mm_prefetch, _mm256_loadu_si256, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtph_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi16,
    _mm512_srli_epi16, _mm512_storeu_ps,
};

use crate::format::{CODEBOOK, Format, Known, TILE, for_format};
use crate::quantised_block::QuantisedBlock;
use crate::row_group::{AHEAD, assert_lengths};

/// As many rows as `sums` has, a number that [`crate::row_group::together`] gives; `x` is `[rows, blocks]`. The number is known to the
/// compiler, which is worth 10 to 15 % from 8 rows on.
pub fn product(format: Format, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    assert_lengths(format, tile, x, sums);
    macro_rules! of {
        ($($m:literal)+) => {
            match sums.len() {
                $($m => for_format!(format, K => rows::<$m, K>(tile, x, sums)),)+
                _ => unreachable!("`together` gives one of these"),
            }
        };
    }
    // SAFETY: only called for `Isa::Avx512`, which `Isa::available` found on this processor; the lengths agree as asserted.
    unsafe { of!(1 2 3 4 5 6 7 8 16) }
}

/// # Safety
/// The processor has these instructions; `tile` holds `x.len() / M` blocks of its format, and `sums` has `M` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn rows<const M: usize, K: Known>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let (format, of_unit) = (K::FORMAT, K::FORMAT.unit_blocks());
    let blocks = x.len() / M;
    let mut acc = [_mm512_setzero_ps(); M];
    for unit in 0..blocks / of_unit {
        for index in 0..of_unit {
            // SAFETY: block `index` of a unit of the tile, which has as many units; every row has a block `b`.
            unsafe {
                let w = tile.as_ptr().add(unit * format.unit_bytes());
                let (scale, min) = scales::<K>(w, index);
                let q = quants::<K>(w.add(format.body() + index * format.body_bytes()));
                let lines = format.unit_bytes().div_ceil(64 * of_unit);
                for line in index * lines..(index + 1) * lines {
                    // A prefetch of an address that is not there does nothing.
                    _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(AHEAD + 64 * line).cast());
                }
                let b = unit * of_unit + index;
                for (m, acc) in acc.iter_mut().enumerate() {
                    let a = x.get_unchecked(m * blocks + b);
                    let four = |g: usize| _mm512_set1_epi32(a.q.as_ptr().add(4 * g).cast::<i32>().read_unaligned());
                    let mut dot = if format.offset() == 0 {
                        [_mm512_setzero_si512(); 2]
                    } else {
                        a.start.map(|start| _mm512_set1_epi32(start))
                    };
                    for g in 0..4 {
                        dot[0] = _mm512_dpbusd_epi32(dot[0], q[g], four(g));
                        dot[1] = _mm512_dpbusd_epi32(dot[1], q[g + 4], four(g + 4));
                    }
                    let first = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[0]), _mm512_set1_ps(a.scale[0]));
                    let second = (_mm512_cvtepi32_ps(dot[1]), _mm512_set1_ps(a.scale[1]));
                    if format.has_half_scales() {
                        *acc = _mm512_fmadd_ps(first, scale[0], *acc);
                        *acc = _mm512_fmadd_ps(_mm512_mul_ps(second.0, second.1), scale[1], *acc);
                    } else {
                        *acc = _mm512_fmadd_ps(_mm512_fmadd_ps(second.0, second.1, first), scale[0], *acc);
                    }
                    if format.has_min() {
                        *acc = _mm512_fmadd_ps(min, _mm512_set1_ps(a.sum), *acc);
                    }
                }
            }
        }
    }
    for (sums, acc) in sums.iter_mut().zip(acc) {
        // SAFETY: a row of sums is 16 floats.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), acc) };
    }
}

/// Scales of the two halves, and minima, of a block of the unit at `w`.
///
/// # Safety
/// There is such a unit; the instructions are the caller's promise.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
unsafe fn scales<K: Known>(w: *const u8, block: usize) -> ([__m512; 2], __m512) {
    // SAFETY: the caller's.
    unsafe {
        let halves = |at: usize| _mm512_cvtph_ps(_mm256_loadu_si256(w.add(at).cast()));
        let bytes = |i: usize| _mm_loadu_si128(w.add(K::FORMAT.factor(block, i)).cast());
        let scale = halves(0);
        match K::FORMAT {
            Format::Q4K | Format::Q5K => {
                let scale = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes(0))));
                let min = _mm512_mul_ps(halves(2 * TILE), _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes(1))));
                ([scale; 2], min)
            }
            Format::Q6K => {
                let scale = _mm512_mul_ps(scale, _mm512_set1_ps(unshift::<K>()));
                let of = |half| _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes(half))));
                ([of(0), of(1)], scale)
            }
            Format::Q4_1 | Format::Q5_1 => ([scale; 2], halves(2 * TILE)),
            Format::Q8_0 | Format::Iq4Nl => ([scale; 2], scale),
            Format::Iq4Xs => {
                let scale = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes(0))));
                ([scale; 2], scale)
            }
            Format::Q4_0 | Format::Q5_0 | Format::F32 => {
                let scale = _mm512_mul_ps(scale, _mm512_set1_ps(unshift::<K>()));
                ([scale; 2], scale)
            }
        }
    }
}

/// Bits that weights with an offset are shifted by.
const fn shift<K: Known>() -> u32 {
    if K::FORMAT.offset() == 0 { 0 } else { 8 - K::FORMAT.value_bits() as u32 }
}

/// What their scale is multiplied with in turn.
const fn unshift<K: Known>() -> f32 {
    1.0 / (1_u32 << shift::<K>()) as f32
}

/// The integers of the block at `q` that are multiplied, a vector for each group of 4 inputs.
///
/// # Safety
/// There is such a block; the instructions are the caller's promise.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
unsafe fn quants<K: Known>(q: *const u8) -> [__m512i; 8] {
    // SAFETY: the caller's; a group is 64 bytes.
    let group = |i: usize| unsafe { _mm512_loadu_si512(q.add(64 * i).cast()) };
    let low: [__m512i; 4] = std::array::from_fn(group);
    let to = shift::<K>() as i32;
    match K::FORMAT.bits() {
        4 if K::FORMAT.has_codebook() => {
            // SAFETY: the codebook is 16 bytes.
            let codebook = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(CODEBOOK.as_ptr().cast()) });
            std::array::from_fn(|g| _mm512_shuffle_epi8(codebook, masked(low[g % 4], if g < 4 { 0 } else { -4 }, 15)))
        }
        4 => std::array::from_fn(|g| masked(low[g % 4], if g < 4 { to } else { to - 4 }, 15 << to)),
        5 => {
            let high = group(4);
            std::array::from_fn(|g| {
                let low = masked(low[g % 4], if g < 4 { to } else { to - 4 }, 15 << to);
                _mm512_or_si512(low, masked(high, to + 4 - g as i32, 16 << to))
            })
        }
        6 => {
            let high = [group(4), group(5)];
            std::array::from_fn(|g| {
                let low = masked(low[g % 4], if g < 4 { to } else { to - 4 }, 15 << to);
                _mm512_or_si512(low, masked(high[g / 4], to + 4 - 2 * (g % 4) as i32, 48 << to))
            })
        }
        _ => std::array::from_fn(group),
    }
}

/// Bytes shifted to the left, or by a negative number to the right, of which the bits of `mask` are kept.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn masked(bytes: __m512i, left: i32, mask: i32) -> __m512i {
    let mask = _mm512_set1_epi8(mask as i8);
    let shifted = match left {
        -4 => _mm512_srli_epi16::<4>(bytes),
        -3 => _mm512_srli_epi16::<3>(bytes),
        -2 => _mm512_srli_epi16::<2>(bytes),
        -1 => _mm512_srli_epi16::<1>(bytes),
        1 => _mm512_slli_epi16::<1>(bytes),
        2 => _mm512_slli_epi16::<2>(bytes),
        3 => _mm512_slli_epi16::<3>(bytes),
        4 => _mm512_slli_epi16::<4>(bytes),
        5 => _mm512_slli_epi16::<5>(bytes),
        6 => _mm512_slli_epi16::<6>(bytes),
        7 => _mm512_slli_epi16::<7>(bytes),
        _ => bytes,
    };
    _mm512_and_si512(shifted, mask)
}
