//! Blocks of 32 values: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0`.

use half::f16;

use super::half_at;
use crate::unit::Unit;

/// Two values a byte: the first 16 in the low halves, the last 16 in the high ones.
pub fn nibbles(bytes: &[u8], q: &mut [u8; 32]) {
    let (low, high) = q.split_at_mut(16);
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

fn scale_and_min(bytes: &[u8], min: bool) -> (Unit, &[u8]) {
    let unit = Unit { scale: half_at(bytes, 0), min: if min { half_at(bytes, 2) } else { f16::ZERO }, ..Unit::ZERO };
    (unit, &bytes[if min { 4 } else { 2 }..])
}

/// `Q4_0`, or `Q4_1` with a minimum.
pub fn four_bits(bytes: &[u8], min: bool) -> Unit {
    let (mut unit, rest) = scale_and_min(bytes, min);
    nibbles(rest, &mut unit.q[0]);
    unit
}

/// `Q5_0`, or `Q5_1` with a minimum: the fifth bits come first.
pub fn five_bits(bytes: &[u8], min: bool) -> Unit {
    let (mut unit, rest) = scale_and_min(bytes, min);
    let fifth = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]);
    nibbles(&rest[4..], &mut unit.q[0]);
    for (i, q) in unit.q[0].iter_mut().enumerate() {
        *q |= ((fifth >> i & 1) << 4) as u8;
    }
    unit
}

/// `Q8_0`.
pub fn eight_bits(bytes: &[u8]) -> Unit {
    let (mut unit, rest) = scale_and_min(bytes, false);
    for (q, byte) in unit.q[0].iter_mut().zip(rest) {
        *q = byte.wrapping_add(128);
    }
    unit
}
