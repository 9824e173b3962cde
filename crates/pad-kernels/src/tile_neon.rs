//! The quantised tile product in NEON with dot products: `sdot` multiplies 16 signed weights with 16 signed inputs and adds them by
//! fours into 4 sums. The same sums in the same order as the plain loops of `tile`, bit for bit.
//!
//! Weights with an offset become signed ones by subtracting it. Their sums are those that the plain loops reach from
//! [`QuantisedBlock::start`], exactly.
#![cfg(target_arch = "aarch64")]

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, uint8x16_t, vandq_u8, vcvt_f32_f16, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s8,
    vdupq_n_s32, vdupq_n_u8, vfmaq_f32, vfmaq_n_f32, vld1_u16, vld1q_f32, vld1q_s8, vld1q_u8, vmulq_f32, vmulq_n_f32,
    vorrq_u8, vqtbl1q_u8, vreinterpret_f16_u16, vreinterpretq_s8_u8, vshlq_u8, vst1q_f32, vsubq_u8,
};
use std::arch::asm;
use std::mem::MaybeUninit;

use crate::format::{CODEBOOK, Format, Known, TILE, for_format};
use crate::quantised_block::{HALF, QuantisedBlock};
use crate::row_group::{ROWS, assert_lengths};

/// Outputs in a vector.
const LANES: usize = 4;
/// Vectors that hold a tile's outputs.
const SIDES: usize = TILE / LANES;
/// Groups of four inputs under one scale.
const GROUPS: usize = HALF / 4;

/// Weights of half a block: `[group][side]`, each vector 4 outputs by 4 inputs.
type Weights = [[int8x16_t; SIDES]; GROUPS];

/// At most [`ROWS`] rows, as many as `sums` has; `x` is `[rows, blocks]`.
pub fn product(format: Format, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    assert_lengths(format, tile, x, sums);
    // SAFETY: only called for `Isa::Neon`, which `Isa::available` found on this processor; the lengths agree as asserted.
    unsafe {
        match sums.len() {
            1 => for_format!(format, K => rows::<1, K>(tile, x, sums)),
            _ => for_format!(format, K => rows::<ROWS, K>(tile, x, sums)),
        }
    }
}

/// Half a block at a time for all rows: its weights and one row's sums fit into the registers. One row is a case of its own, whose
/// sums stay in registers; more are counted at run time, or the compiler would compute several at once, for which the registers are
/// too few.
///
/// # Safety
/// The processor has these instructions; `sums` has at most `MOST` rows, and `tile` holds `x.len() / sums.len()` blocks of its format.
#[target_feature(enable = "neon,dotprod")]
unsafe fn rows<const MOST: usize, K: Known>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let (format, of_unit) = (K::FORMAT, K::FORMAT.unit_blocks());
    let sums = if MOST == 1 { &mut sums[..1] } else { sums };
    let blocks = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    let mut first = [[MaybeUninit::uninit(); SIDES]; MOST];
    for b in 0..blocks {
        // SAFETY: `w` points at the unit of block `b`, of whose `unit_bytes` some are read below and nothing beyond them; every row
        // has a block `b`, its sums are `SIDES` vectors, and the second half of a block reads as many of `first` as the first has
        // written.
        unsafe {
            let (w, index) = (tile.as_ptr().add(b / of_unit * format.unit_bytes()), b % of_unit);
            let (scale, min) = scales::<K>(w, index);
            let values = w.add(format.body() + index * format.body_bytes());
            let q = weights::<K, 0>(values);
            for (m, first) in first.iter_mut().enumerate().take(sums.len()) {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot(&q, vld1q_s8(a.q.as_ptr()));
                for side in 0..SIDES {
                    first[side].write(vmulq_n_f32(dot[side], a.scale[0]));
                }
            }
            let q = weights::<K, 1>(values);
            for (m, (sums, first)) in sums.iter_mut().zip(&first).enumerate() {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot(&q, vld1q_s8(a.q.as_ptr().add(HALF)));
                for side in 0..SIDES {
                    let place = sums.as_mut_ptr().add(side * LANES);
                    let first = first[side].assume_init();
                    let mut sum = vld1q_f32(place);
                    if format.has_half_scales() {
                        sum = vfmaq_f32(sum, first, scale[0][side]);
                        sum = vfmaq_f32(sum, vmulq_n_f32(dot[side], a.scale[1]), scale[1][side]);
                    } else {
                        sum = vfmaq_f32(sum, vfmaq_n_f32(first, dot[side], a.scale[1]), scale[0][side]);
                    }
                    if format.has_min() {
                        sum = vfmaq_n_f32(sum, min[side], a.sum);
                    }
                    vst1q_f32(place, sum);
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
#[target_feature(enable = "neon")]
unsafe fn scales<K: Known>(w: *const u8, block: usize) -> ([[float32x4_t; SIDES]; 2], [float32x4_t; SIDES]) {
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
                let mut factors = [0.0; LANES];
                for (lane, factor) in factors.iter_mut().enumerate() {
                    let byte = *w.add(K::FORMAT.factor(block, i) + side * LANES + lane);
                    *factor = if K::FORMAT.has_signed_factors() { f32::from(byte as i8) } else { f32::from(byte) };
                }
                *of = vmulq_f32(*of, vld1q_f32(factors.as_ptr()));
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
#[target_feature(enable = "neon")]
unsafe fn halves(from: *const u8) -> [float32x4_t; SIDES] {
    let mut values = [vdupq_n_f32(0.0); SIDES];
    for (side, values) in values.iter_mut().enumerate() {
        // SAFETY: the caller's.
        let bits = unsafe { vld1_u16(from.add(2 * side * LANES).cast()) };
        *values = vcvt_f32_f16(vreinterpret_f16_u16(bits));
    }
    values
}

/// The weights of `HALF_BLOCK` 0 or 1 of the block whose values lie at `q`.
///
/// # Safety
/// There is such a block.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn weights<K: Known, const HALF_BLOCK: usize>(q: *const u8) -> Weights {
    let bits = K::FORMAT.bits();
    // SAFETY: the codebook is 16 bytes.
    let codebook = unsafe { vld1q_u8(CODEBOOK.as_ptr()) };
    let mut weights = [[vreinterpretq_s8_u8(vdupq_n_u8(0)); SIDES]; GROUPS];
    for (g, weights) in weights.iter_mut().enumerate() {
        for (side, weights) in weights.iter_mut().enumerate() {
            // SAFETY: the caller's; a group is 64 bytes.
            let vector = |group: usize| unsafe { vld1q_u8(q.add((group * SIDES + side) * 16)) };
            let low = || masked(vector(g), -4 * HALF_BLOCK as i8, 15);
            let bytes = match bits {
                5 => vorrq_u8(low(), masked(vector(GROUPS), 4 - (HALF_BLOCK * GROUPS + g) as i8, 16)),
                6 => vorrq_u8(low(), masked(vector(GROUPS + HALF_BLOCK), 4 - 2 * g as i8, 48)),
                8 => vector(HALF_BLOCK * GROUPS + g),
                _ if K::FORMAT.has_codebook() => vqtbl1q_u8(codebook, low()),
                _ => low(),
            };
            *weights = vreinterpretq_s8_u8(vsubq_u8(bytes, vdupq_n_u8(K::FORMAT.offset())));
        }
    }
    weights
}

/// Bytes shifted to the left, or by a negative number to the right, of which the bits of `mask` are kept.
#[inline]
#[target_feature(enable = "neon")]
fn masked(bytes: uint8x16_t, left: i8, mask: u8) -> uint8x16_t {
    vandq_u8(vshlq_u8(bytes, vdupq_n_s8(left)), vdupq_n_u8(mask))
}

/// The sums of half a block's inputs with its weights, exact integers.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(q: &Weights, inputs: int8x16_t) -> [float32x4_t; SIDES] {
    let mut dot = [vdupq_n_f32(0.0); SIDES];
    for (side, dot) in dot.iter_mut().enumerate() {
        let mut sums = vdupq_n_s32(0);
        sums = sdot::<0>(sums, q[0][side], inputs);
        sums = sdot::<1>(sums, q[1][side], inputs);
        sums = sdot::<2>(sums, q[2][side], inputs);
        sums = sdot::<3>(sums, q[3][side], inputs);
        *dot = vcvtq_f32_s32(sums);
    }
    dot
}

/// Add to 4 outputs' sums their 4 weights each times the 4 inputs of `GROUP`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot<const GROUP: usize>(mut sums: int32x4_t, weights: int8x16_t, inputs: int8x16_t) -> int32x4_t {
    // SAFETY: arithmetic on registers, in an instruction that the function's features have.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {weights:v}.16b, {inputs:v}.4b[{group}]",
            sums = inout(vreg) sums,
            weights = in(vreg) weights,
            inputs = in(vreg) inputs,
            group = const GROUP,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
