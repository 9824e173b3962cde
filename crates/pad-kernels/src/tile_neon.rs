//! The quantised tile product in NEON with dot products: `sdot` multiplies 16 signed weights with 16 signed inputs and adds them by
//! fours into 4 sums. The same sums in the same order as the plain loops of `tile`, bit for bit.
//!
//! Bytes with an offset of 128 become signed ones by turning their highest bit over. Their sums are those that the plain loops reach
//! from [`QuantisedBlock::start`], exactly.
#![cfg(target_arch = "aarch64")]

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, vandq_u8, vcvt_f32_f16, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32, vdupq_n_u8,
    veorq_u8, vfmaq_f32, vfmaq_n_f32, vld1_u16, vld1q_f32, vld1q_s8, vld1q_u8, vmulq_n_f32, vreinterpret_f16_u16,
    vreinterpretq_s8_u8, vshrq_n_u8, vst1q_f32,
};
use std::arch::asm;
use std::mem::MaybeUninit;

use crate::activation::{HALF, QuantisedBlock};
use crate::packed::{Format, TILE};
use crate::tile::{ROWS, assert_lengths};

/// Outputs in a vector.
const LANES: usize = 4;
/// Vectors that hold a tile's outputs.
const SIDES: usize = TILE / LANES;
/// Groups of four inputs under one scale.
const GROUPS: usize = HALF / 4;

/// Weights of half a block: `[group][side]`, each vector 4 outputs by 4 inputs.
type Weights = [[int8x16_t; SIDES]; GROUPS];

/// At most [`ROWS`] rows, as many as `sums` has; `x` is `[rows, blocks]`.
pub fn product(q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    assert_lengths(q4, tile, x, sums);
    // SAFETY: only called for `Isa::Neon`, which `Isa::available` found on this processor; the lengths agree as asserted.
    unsafe {
        match (q4, sums.len()) {
            (true, 1) => rows::<1, true>(tile, x, sums),
            (true, _) => rows::<ROWS, true>(tile, x, sums),
            (false, 1) => rows::<1, false>(tile, x, sums),
            (false, _) => rows::<ROWS, false>(tile, x, sums),
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
unsafe fn rows<const MOST: usize, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let format = if Q4 { Format::Q4 } else { Format::Q8 };
    let sums = if MOST == 1 { &mut sums[..1] } else { sums };
    let blocks = x.len() / sums.len();
    sums.fill([0.0; TILE]);
    let mut first = [[MaybeUninit::uninit(); SIDES]; MOST];
    let mut w = tile.as_ptr();
    for b in 0..blocks {
        // SAFETY: `w` points at block `b` of the tile, whose `block_bytes` are read below and nothing beyond them; every row has a
        // block `b`, its sums are `SIDES` vectors, and the second half of a block reads as many of `first` as the first has written.
        unsafe {
            let scale = halves(w);
            let min = if Q4 { halves(w.add(2 * TILE)) } else { scale };
            let q = weights::<Q4, 0>(w);
            for (m, first) in first.iter_mut().enumerate().take(sums.len()) {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot(&q, vld1q_s8(a.q.as_ptr()));
                for side in 0..SIDES {
                    first[side].write(vmulq_n_f32(dot[side], a.scale[0]));
                }
            }
            let q = weights::<Q4, 1>(w);
            for (m, (sums, first)) in sums.iter_mut().zip(&first).enumerate() {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot(&q, vld1q_s8(a.q.as_ptr().add(HALF)));
                for side in 0..SIDES {
                    let place = sums.as_mut_ptr().add(side * LANES);
                    let both = vfmaq_n_f32(first[side].assume_init(), dot[side], a.scale[1]);
                    let mut sum = vfmaq_f32(vld1q_f32(place), both, scale[side]);
                    if Q4 {
                        sum = vfmaq_n_f32(sum, min[side], a.sum);
                    }
                    vst1q_f32(place, sum);
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

/// The weights of `HALF_BLOCK` 0 or 1 of the block at `w`.
///
/// # Safety
/// There is such a block.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn weights<const Q4: bool, const HALF_BLOCK: usize>(w: *const u8) -> Weights {
    let from = if Q4 { 4 * TILE } else { 2 * TILE + HALF_BLOCK * HALF * TILE };
    let mut q = [[vreinterpretq_s8_u8(vdupq_n_u8(0)); SIDES]; GROUPS];
    for (g, q) in q.iter_mut().enumerate() {
        for (side, q) in q.iter_mut().enumerate() {
            // SAFETY: the caller's; a group is 64 bytes.
            let bytes = unsafe { vld1q_u8(w.add(from + (g * SIDES + side) * 16)) };
            *q = vreinterpretq_s8_u8(match (Q4, HALF_BLOCK) {
                (true, 0) => vandq_u8(bytes, vdupq_n_u8(15)),
                (true, _) => vshrq_n_u8::<4>(bytes),
                (false, _) => veorq_u8(bytes, vdupq_n_u8(128)),
            });
        }
    }
    q
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
