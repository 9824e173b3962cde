//! Blocks whose 4 bits choose one of 16 values: `IQ4_NL`, `IQ4_XS`. The layouts are ggml's (`ggml-quants.c`).

use super::{blocks::nibbles, half_at};
use crate::unit::Unit;

/// `IQ4_NL`: 32 values and a scale.
pub fn plain(bytes: &[u8]) -> Unit {
    let mut unit = Unit { scale: half_at(bytes, 0), ..Unit::ZERO };
    nibbles(&bytes[2..18], &mut unit.q[0]);
    unit
}

/// `IQ4_XS`: 8 blocks of 32 values and 6-bit factors less 32, whose upper 2 bits lie before their lower 4.
pub fn staged(bytes: &[u8]) -> Unit {
    let mut unit = Unit { scale: half_at(bytes, 0), ..Unit::ZERO };
    let high = u16::from_le_bytes([bytes[2], bytes[3]]);
    for (block, (q, factors)) in unit.q.iter_mut().zip(&mut unit.factors).enumerate() {
        let low = bytes[4 + block / 2] >> (4 * (block % 2)) & 15;
        factors[0] = (low | (((high >> (2 * block)) & 3) as u8) << 4).wrapping_sub(32);
        nibbles(&bytes[8 + 16 * block..][..16], q);
    }
    unit
}
