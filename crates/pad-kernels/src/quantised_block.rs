//! A block of quantised activations.

use crate::format::BLOCK_LEN;

/// Inputs under one scale.
pub const HALF: usize = BLOCK_LEN / 2;

/// 32 consecutive inputs of one row: `x[i] = scale[i / 16] * q[i]`.
///
/// Two scales for one weight block: activations have outliers that weights have not, and with one scale the divergence from the
/// single-precision model is twice as large.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct QuantisedBlock {
    /// The quantised values, -127 to 127.
    pub q: [i8; BLOCK_LEN],
    /// max |x| / 127 of each half.
    pub scale: [f32; 2],
    /// The sum of all `scale * q`: what a 4-bit block's minimum is multiplied with.
    pub sum: f32,
    /// -128 times the sum of each half's `q`: where the integer sums with an 8-bit block start, whose bytes have that offset.
    pub start: [i32; 2],
}

impl QuantisedBlock {
    pub(crate) const ZERO: Self = Self { q: [0; BLOCK_LEN], scale: [0.0; 2], sum: 0.0, start: [0; 2] };
}
