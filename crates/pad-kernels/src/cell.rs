//! One number of the KV cache.
#![expect(clippy::inline_always, reason = "must take the caller's instruction set")]

use half::f16;

/// How the cache keeps a number.
pub trait Cell: Copy + Send + Sync + 'static {
    /// The number.
    fn value(self) -> f32;

    /// The nearest that can be kept.
    fn of(value: f32) -> Self;

    /// Sixteen numbers from `from` on.
    ///
    /// # Safety
    /// They lie inside one slice, and the processor has AVX512 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512;
}

impl Cell for f32 {
    #[inline(always)]
    fn value(self) -> f32 {
        self
    }

    #[inline(always)]
    fn of(value: f32) -> Self {
        value
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's.
        unsafe { std::arch::x86_64::_mm512_loadu_ps(from) }
    }
}

impl Cell for f16 {
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
    #[inline(always)]
    unsafe fn sixteen(from: *const Self) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::{_mm256_loadu_si256, _mm512_cvtph_ps};
        // SAFETY: the caller's.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
