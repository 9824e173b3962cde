//! Quantising activations with AVX512: half a block is one vector. The results equal those of the plain loop in `activation`.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    _mm_storeu_si128, _mm512_abs_ps, _mm512_castps_si512, _mm512_cvtepi32_epi8, _mm512_cvtps_epi32, _mm512_loadu_ps,
    _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_reduce_max_epu32, _mm512_set1_ps,
};

use crate::format::BLOCK_LEN;
use crate::quantised_block::{HALF, QuantisedBlock};

/// Quantise a row, block by block; a remainder of `values` that fills no block is left out.
pub fn quantise(values: &[f32], out: &mut [QuantisedBlock]) {
    // SAFETY: only called for `Isa::Avx512`, which `Isa::available` found on this processor.
    unsafe { blocks(values, out) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn blocks(values: &[f32], out: &mut [QuantisedBlock]) {
    for (values, out) in values.chunks_exact(BLOCK_LEN).zip(out) {
        let mut total = 0.0;
        for (half, (values, q)) in values.chunks_exact(HALF).zip(out.q.chunks_exact_mut(HALF)).enumerate() {
            // SAFETY: a half is 16 floats.
            let v = unsafe { _mm512_loadu_ps(values.as_ptr()) };
            let max = f32::from_bits(_mm512_reduce_max_epu32(_mm512_castps_si512(_mm512_abs_ps(v))));
            let inverse = if max > 0.0 { 127.0 / max } else { 0.0 };
            let rounded = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(inverse)));
            // SAFETY: a half is 16 bytes.
            unsafe { _mm_storeu_si128(q.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(rounded)) };
            let sum = _mm512_reduce_add_epi32(rounded);
            out.scale[half] = max / 127.0;
            out.start[half] = -128 * sum;
            total += out.scale[half] * sum as f32;
        }
        out.sum = total;
    }
}
