//! Blocks whose 4 bits choose one of 16 values: `IQ4_NL`, `IQ4_XS`.

use half::f16;

use super::{blocks::nibbles, half_at};
use crate::unit::Unit;

/// The values, ggml's `kvalues_iq4nl`.
const VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

fn chosen(bytes: &[u8]) -> [u8; 32] {
    let mut q = [0; 32];
    nibbles(bytes, &mut q);
    q.map(|q| (VALUES[usize::from(q)] as u8).wrapping_add(128))
}

/// `IQ4_NL`: 32 values and a scale.
pub fn plain(bytes: &[u8]) -> Unit {
    let mut unit = Unit { scale: half_at(bytes, 0), ..Unit::ZERO };
    unit.q[0] = chosen(&bytes[2..18]);
    unit
}

/// The scale of a block of `IQ4_XS`.
fn scale(bytes: &[u8], block: usize) -> f32 {
    let high = u16::from_le_bytes([bytes[2], bytes[3]]) >> (2 * block) & 3;
    let low = bytes[4 + block / 2] >> (4 * (block % 2)) & 15;
    half_at(bytes, 0).to_f32() * (f32::from(low | (high as u8) << 4) - 32.0)
}

/// Block `block` of the 8 of `IQ4_XS`, its scale rounded.
pub fn staged(bytes: &[u8], block: usize) -> Unit {
    let mut unit = Unit { scale: f16::from_f32(scale(bytes, block)), ..Unit::ZERO };
    unit.q[0] = chosen(&bytes[8 + 16 * block..][..16]);
    unit
}

/// The 256 values of `IQ4_XS`, not rounded.
pub fn values(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in out.chunks_exact_mut(32).enumerate() {
        let scale = scale(bytes, block);
        for (out, q) in out.iter_mut().zip(chosen(&bytes[8 + 16 * block..][..16])) {
            *out = scale * (f32::from(q) - 128.0);
        }
    }
}
