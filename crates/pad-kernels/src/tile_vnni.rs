//! The quantised tile product in AVX512-VNNI: `vpdpbusd` multiplies 64 unsigned weights with 64 signed inputs and adds them by
//! fours into 16 sums. The same sums in the same order as the plain loops of `tile`, bit for bit.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512i, _MM_HINT_T1, _mm_prefetch, _mm256_loadu_si256, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_cvtph_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_srli_epi16, _mm512_storeu_ps,
};

use crate::activation::QuantisedBlock;
use crate::packed::{Format, TILE};
use crate::tile::assert_lengths;

/// Bytes ahead of the present block to ask for, into the second-level cache: far enough to hide the memory's latency, and the
/// first level's few outstanding misses are left to what is needed next.
pub const AHEAD: usize = 8192;

/// As many rows as `sums` has, a number that [`crate::tile::together`] gives; `x` is `[rows, blocks]`. The number is known to the
/// compiler, which is worth 10 to 15 % from 8 rows on.
pub fn product(q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    assert_lengths(q4, tile, x, sums);
    macro_rules! of {
        ($($m:literal)+) => {
            match (q4, sums.len()) {
                $((true, $m) => rows::<$m, true>(tile, x, sums),)+
                $((false, $m) => rows::<$m, false>(tile, x, sums),)+
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
unsafe fn rows<const M: usize, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let format = if Q4 { Format::Q4 } else { Format::Q8 };
    let blocks = x.len() / M;
    let mut acc = [_mm512_setzero_ps(); M];
    let low = _mm512_set1_epi8(15);
    let mut w = tile.as_ptr();
    for b in 0..blocks {
        // SAFETY: `w` points at block `b` of the tile, whose `block_bytes` are read below and nothing beyond them.
        unsafe {
            let scale = _mm512_cvtph_ps(_mm256_loadu_si256(w.cast()));
            let (min, q): (_, [__m512i; 8]) = if Q4 {
                let packed: [__m512i; 4] = std::array::from_fn(|i| _mm512_loadu_si512(w.add(64 + 64 * i).cast()));
                (
                    _mm512_cvtph_ps(_mm256_loadu_si256(w.add(32).cast())),
                    std::array::from_fn(|i| {
                        let half = if i < 4 { packed[i] } else { _mm512_srli_epi16::<4>(packed[i - 4]) };
                        _mm512_and_si512(half, low)
                    }),
                )
            } else {
                (scale, std::array::from_fn(|i| _mm512_loadu_si512(w.add(32 + 64 * i).cast())))
            };
            for line in 0..format.block_bytes().div_ceil(64) {
                // A prefetch of an address that is not there does nothing.
                _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(AHEAD + 64 * line).cast());
            }
            for (m, acc) in acc.iter_mut().enumerate() {
                let a = x.get_unchecked(m * blocks + b);
                let four = |g: usize| _mm512_set1_epi32(a.q.as_ptr().add(4 * g).cast::<i32>().read_unaligned());
                let mut dot =
                    if Q4 { [_mm512_setzero_si512(); 2] } else { a.start.map(|start| _mm512_set1_epi32(start)) };
                for g in 0..4 {
                    dot[0] = _mm512_dpbusd_epi32(dot[0], q[g], four(g));
                    dot[1] = _mm512_dpbusd_epi32(dot[1], q[g + 4], four(g + 4));
                }
                let first = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[0]), _mm512_set1_ps(a.scale[0]));
                let both = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[1]), _mm512_set1_ps(a.scale[1]), first);
                *acc = _mm512_fmadd_ps(both, scale, *acc);
                if Q4 {
                    *acc = _mm512_fmadd_ps(min, _mm512_set1_ps(a.sum), *acc);
                }
            }
            w = w.add(format.block_bytes());
        }
    }
    for (sums, acc) in sums.iter_mut().zip(acc) {
        // SAFETY: a row of sums is 16 floats.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), acc) };
    }
}
