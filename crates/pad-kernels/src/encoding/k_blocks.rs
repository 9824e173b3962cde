//! Blocks of 256 values with scales in two stages: `Q2_K` to `Q6_K`. The layouts are ggml's (`ggml-quants.c`).

use super::half_at;
use crate::unit::Unit;

/// The 6-bit factors of `Q4_K` and `Q5_K`: a scale and a minimum for each of 8 blocks in 12 bytes.
fn factors(bytes: &[u8]) -> [[u8; 2]; 8] {
    std::array::from_fn(|i| {
        if i < 4 {
            [bytes[i] & 63, bytes[i + 4] & 63]
        } else {
            let (low, tops) = (bytes[i + 4], [bytes[i - 4] >> 6, bytes[i] >> 6]);
            [low & 15 | tops[0] << 4, low >> 4 | tops[1] << 4]
        }
    })
}

/// Scale, minimum (which is subtracted, so its sign is turned over) and factors of `Q4_K` and `Q5_K`.
fn staged(bytes: &[u8]) -> Unit {
    Unit { scale: half_at(bytes, 0), min: -half_at(bytes, 2), factors: factors(&bytes[4..16]), ..Unit::ZERO }
}

/// Two blocks of 32 in the low and the high halves of 32 bytes, four times.
fn nibbles(bytes: &[u8], unit: &mut Unit) {
    for (bytes, pair) in bytes.chunks_exact(32).zip(unit.q.chunks_exact_mut(2)) {
        for (i, byte) in bytes.iter().enumerate() {
            (pair[0][i], pair[1][i]) = (byte & 15, byte >> 4);
        }
    }
}

/// `Q4_K`.
pub fn four_bits(bytes: &[u8]) -> Unit {
    let mut unit = staged(bytes);
    nibbles(&bytes[16..144], &mut unit);
    unit
}

/// `Q5_K`: bit `b` of the 32 fifth bits' bytes belongs to block `b`.
pub fn five_bits(bytes: &[u8]) -> Unit {
    let mut unit = staged(bytes);
    nibbles(&bytes[48..176], &mut unit);
    for (b, q) in unit.q.iter_mut().enumerate() {
        for (q, fifth) in q.iter_mut().zip(&bytes[16..48]) {
            *q |= (fifth >> b & 1) << 4;
        }
    }
    unit
}

/// `Q6_K`: each half of 128 values has 64 bytes of low bits, 32 of high ones, and 8 scales.
pub fn six_bits(bytes: &[u8]) -> Unit {
    let (low, high, scales) = (&bytes[..128], &bytes[128..192], &bytes[192..208]);
    let mut unit = Unit { scale: half_at(bytes, 208), ..Unit::ZERO };
    for (factors, scales) in unit.factors.iter_mut().zip(scales.chunks_exact(2)) {
        factors.copy_from_slice(scales);
    }
    for (b, q) in unit.q.iter_mut().enumerate() {
        let (half, quarter) = (b / 4, b % 4);
        let low = &low[half * 64 + quarter % 2 * 32..][..32];
        let high = &high[half * 32..][..32];
        for ((q, low), high) in q.iter_mut().zip(low).zip(high) {
            let low = if quarter < 2 { low & 15 } else { low >> 4 };
            *q = low | (high >> (2 * quarter) & 3) << 4;
        }
    }
    unit
}

/// `Q3_K`, whose scales and values fit `Q6_K`: the offset of a value is 4 there and 32 here.
pub fn three_bits(bytes: &[u8]) -> Unit {
    let (high, low, scales) = (&bytes[..32], &bytes[32..96], &bytes[96..108]);
    let mut unit = Unit { scale: half_at(bytes, 108), ..Unit::ZERO };
    for (i, factor) in unit.factors.as_flattened_mut().iter_mut().enumerate() {
        let four = if i < 8 { scales[i] & 15 } else { scales[i - 8] >> 4 };
        let two = scales[8 + i % 4] >> (2 * (i / 4)) & 3;
        *factor = (four | two << 4).wrapping_sub(32);
    }
    for (b, q) in unit.q.iter_mut().enumerate() {
        let low = &low[b / 4 * 32..][..32];
        for ((q, low), high) in q.iter_mut().zip(low).zip(high) {
            *q = (low >> (2 * (b % 4)) & 3 | (high >> b & 1) << 2) + 28;
        }
    }
    unit
}

/// `Q2_K`, in single precision.
pub fn two_bits(bytes: &[u8], out: &mut [f32]) {
    let (scales, low) = (&bytes[..16], &bytes[16..80]);
    let (scale, min) = (half_at(bytes, 80).to_f32(), half_at(bytes, 82).to_f32());
    for (i, out) in out.chunks_exact_mut(16).enumerate() {
        let (scale, min) = (scale * f32::from(scales[i] & 15), min * f32::from(scales[i] >> 4));
        let low = &low[i / 8 * 32 + i % 2 * 16..][..16];
        for (out, low) in out.iter_mut().zip(low) {
            *out = scale * f32::from(low >> (i / 2 % 4 * 2) & 3) - min;
        }
    }
}
