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

/// Bytes ahead of the present block to ask for, into the second-level cache: far enough to hide the memory's latency, and the
/// first level's few outstanding misses are left to what is needed next.
const AHEAD: usize = 8192;

/// As many rows as `sums` has, a number that [`crate::tile::together`] gives; `x` is `[rows, blocks]`. The number is known to the
/// compiler, which is worth 10 to 15 % from 8 rows on.
pub fn product(q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let format = if q4 { Format::Q4 } else { Format::Q8 };
    assert_eq!(tile.len() * sums.len(), x.len() * format.block_bytes(), "one weight block for each block of a row");
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
/// `tile` holds `x.len() / M` blocks of its format, and `sums` has `M` rows.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::activation::quantise;
    use crate::block::Block;
    use crate::packed::PackedWeights;
    use crate::tile::{ROWS, quantised_rows, together};
    use half::f16;

    #[test]
    fn bit_for_bit_the_plain_loops() {
        if !Isa::available().contains(&Isa::Avx512) {
            return;
        }
        let mut seed = 1_u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        for q4 in [false, true] {
            for blocks in [1, 2, 18, 48] {
                let format = if q4 { Format::Q4 } else { Format::Q8 };
                let mut w = PackedWeights::zeros(&mut crate::Arena::default(), format, TILE, blocks * 32);
                for row in 0..TILE {
                    for block in 0..blocks {
                        let scale = f16::from_f32((random() % 1000) as f32 / 1000.0);
                        let min = if q4 { -3.0 } else { -128.0 * scale.to_f32() };
                        let q = std::array::from_fn(|_| (random() % if q4 { 16 } else { 256 }) as u8);
                        w.set_block(row, block, &Block { scale, min: f16::from_f32(min), q });
                    }
                }
                let values: Vec<f32> =
                    (0..ROWS * blocks * 32).map(|_| (random() % 4001) as f32 / 1000.0 - 2.0).collect();
                let mut x = vec![QuantisedBlock::ZERO; ROWS * blocks];
                quantise(Isa::Portable, &values, &mut x);
                for count in [1, 2, 3, 4, 5, 6, 7, 8, 16] {
                    assert_eq!(together(count), count);
                    let x = &x[..count * blocks];
                    let (mut fast, mut plain) = (vec![[0.0; TILE]; count], vec![[0.0; TILE]; count]);
                    product(q4, w.tile(0), x, &mut fast);
                    if q4 {
                        quantised_rows::<true>(Isa::Avx512, w.tile(0), x, &mut plain);
                    } else {
                        quantised_rows::<false>(Isa::Avx512, w.tile(0), x, &mut plain);
                    }
                    assert_eq!(fast, plain, "q4 {q4}, {count} rows of {blocks} blocks");
                }
            }
        }
    }
}
