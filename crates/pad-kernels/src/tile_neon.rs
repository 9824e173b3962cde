//! The quantised tile product in NEON with dot products: `sdot` multiplies 16 signed weights with 16 signed inputs and adds them by
//! fours into 4 sums. The same sums in the same order as the plain loops of `tile`, bit for bit.
//!
//! Bytes with an offset of 128 become signed ones by turning their highest bit over. Their sums are those that the plain loops reach
//! from [`QuantisedBlock::start`], exactly.
#![cfg(target_arch = "aarch64")]

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, vandq_u8, vcvt_f32_f16, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32, vdupq_n_u8,
    veorq_u8, vfmaq_f32, vfmaq_n_f32, vld1_u16, vld1q_s8, vld1q_u8, vmulq_n_f32, vreinterpret_f16_u16,
    vreinterpretq_s8_u8, vshrq_n_u8, vst1q_f32,
};
use std::arch::asm;

use crate::activation::{HALF, QuantisedBlock};
use crate::packed::{Format, TILE};
use crate::tile::with_known_count;

/// Outputs in a vector.
const LANES: usize = 4;
/// Vectors that hold a tile's outputs.
const SIDES: usize = TILE / LANES;
/// Groups of four inputs under one scale.
const GROUPS: usize = HALF / 4;

/// Weights of half a block: `[group][side]`, each vector 4 outputs by 4 inputs.
type Weights = [[int8x16_t; SIDES]; GROUPS];

/// As many rows as `sums` has, a number that [`crate::tile::together`] gives; `x` is `[rows, blocks]`.
pub fn product(q4: bool, tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    with_known_count!(rows(q4, tile, x, sums));
}

/// Half a block at a time for all rows: its weights and one row's sums fit into the registers.
///
/// # Safety
/// The processor has these instructions; `tile` holds `x.len() / M` blocks of its format, and `sums` has `M` rows.
#[target_feature(enable = "neon,dotprod")]
unsafe fn rows<const M: usize, const Q4: bool>(tile: &[u8], x: &[QuantisedBlock], sums: &mut [[f32; TILE]]) {
    let format = if Q4 { Format::Q4 } else { Format::Q8 };
    let blocks = x.len() / M;
    let mut acc = [[vdupq_n_f32(0.0); SIDES]; M];
    let mut first = acc;
    let mut w = tile.as_ptr();
    for b in 0..blocks {
        // SAFETY: `w` points at block `b` of the tile, whose `block_bytes` are read below and nothing beyond them; every row has
        // a block `b`.
        unsafe {
            let scale = halves(w);
            let min = if Q4 { halves(w.add(2 * TILE)) } else { scale };
            let q = weights::<Q4, 0>(w);
            for m in 0..M {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot(&q, vld1q_s8(a.q.as_ptr()));
                for side in 0..SIDES {
                    first[m][side] = vmulq_n_f32(dot[side], a.scale[0]);
                }
            }
            let q = weights::<Q4, 1>(w);
            for m in 0..M {
                let a = x.get_unchecked(m * blocks + b);
                let dot = dot(&q, vld1q_s8(a.q.as_ptr().add(HALF)));
                for side in 0..SIDES {
                    let both = vfmaq_n_f32(first[m][side], dot[side], a.scale[1]);
                    acc[m][side] = vfmaq_f32(acc[m][side], both, scale[side]);
                    if Q4 {
                        acc[m][side] = vfmaq_n_f32(acc[m][side], min[side], a.sum);
                    }
                }
            }
            w = w.add(format.block_bytes());
        }
    }
    for (sums, acc) in sums.iter_mut().zip(acc) {
        for (side, acc) in acc.into_iter().enumerate() {
            // SAFETY: a row of sums is `SIDES` vectors.
            unsafe { vst1q_f32(sums.as_mut_ptr().add(side * LANES), acc) };
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
