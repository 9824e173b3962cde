//! One number of the KV cache.
#![expect(clippy::inline_always, reason = "must take the caller's instruction set")]

use half::f16;

use crate::KvFormat;
use crate::kv_layout::BLOCK;

/// Adding this rounds to the nearest integer, ties to even, and leaves it in the low bits: vector arithmetic everywhere.
const ROUNDER: f32 = 12_582_912.0;

/// How the cache keeps a number.
pub trait Cell: Copy + Send + Sync + 'static {
    /// What a cache is called that has such cells.
    const FORMAT: KvFormat;

    /// The number, in scales where there are any.
    fn value(self) -> f32;

    /// The nearest that can be kept of a number, which is in scales where there are any.
    fn of(value: f32) -> Self;

    /// The scales of a block's keys or values; 1 where there are none.
    fn scales(_cells: &[Self]) -> [f32; BLOCK] {
        [1.0; BLOCK]
    }

    /// Keep the scale of the key or the value in `slot`.
    fn set_scale(_cells: &mut [Self], _slot: usize, _scale: f32) {}

    /// Sixteen numbers from `from` on.
    ///
    /// # Safety
    /// They lie inside one slice, and the processor has AVX512 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512;
}

impl Cell for f32 {
    const FORMAT: KvFormat = KvFormat::F32;

    #[inline(always)]
    fn value(self) -> f32 {
        self
    }

    #[inline(always)]
    fn of(value: f32) -> Self {
        value
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's.
        unsafe { std::arch::x86_64::_mm512_loadu_ps(from) }
    }
}

impl Cell for f16 {
    const FORMAT: KvFormat = KvFormat::F16;

    /// Exact for every finite number, in plain arithmetic that the compiler turns into vector instructions.
    #[inline(always)]
    fn value(self) -> f32 {
        const TWO_TO_112: f32 = f32::from_bits((127 + 112) << 23);
        let bits = u32::from(self.to_bits());
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * TWO_TO_112;
        f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
    }

    /// Never infinite: what is too large becomes the largest.
    #[inline(always)]
    fn of(value: f32) -> Self {
        Self::from_f32(value.clamp(Self::MIN.to_f32_const(), Self::MAX.to_f32_const()))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::{_mm256_loadu_si256, _mm512_cvtph_ps};
        // SAFETY: the caller's.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
}

/// A signed integer's byte, or a byte of a scale.
impl Cell for u8 {
    const FORMAT: KvFormat = KvFormat::Q8;

    #[inline(always)]
    fn value(self) -> f32 {
        f32::from(self.cast_signed())
    }

    /// `value` is at most 127 in size.
    #[inline(always)]
    fn of(value: f32) -> Self {
        (value + ROUNDER).to_bits() as Self
    }

    #[inline(always)]
    fn scales(cells: &[Self]) -> [f32; BLOCK] {
        let cells = &cells.as_chunks().0[..BLOCK];
        std::array::from_fn(|slot| f32::from_ne_bytes(cells[slot]))
    }

    #[inline(always)]
    fn set_scale(cells: &mut [Self], slot: usize, scale: f32) {
        cells.as_chunks_mut().0[slot] = scale.to_ne_bytes();
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::{_mm_loadu_si128, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps};
        // SAFETY: the caller's.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_rounded_to_the_nearest_and_kept() {
        for at in -127_i16..=127 {
            let whole = f32::from(at);
            for (off, want) in [(0.0, whole), (0.49, whole), (-0.49, whole)] {
                assert_eq!(<u8 as Cell>::of(whole + off).value(), want, "{whole} {off}");
            }
        }
        assert_eq!([0.5, 1.5, -0.5, -2.5].map(|half| <u8 as Cell>::of(half).value()), [0.0, 2.0, 0.0, -2.0]);
        let mut cells = [0_u8; 4 * BLOCK];
        u8::set_scale(&mut cells, 15, 0.25);
        u8::set_scale(&mut cells, 2, -1e-30);
        assert_eq!((u8::scales(&cells)[15], u8::scales(&cells)[2], u8::scales(&cells)[3]), (0.25, -1e-30, 0.0));
    }

    #[test]
    fn every_finite_half_is_exact() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(half.value().to_bits(), half.to_f32().to_bits(), "{half:?}");
            }
        }
        assert_eq!(<f16 as Cell>::of(1e9), f16::MAX);
        assert_eq!(<f16 as Cell>::of(-1e9), f16::MIN);
    }
}
