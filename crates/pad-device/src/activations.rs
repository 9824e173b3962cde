//! What passes from one operation of a step to the next.

use crate::queue::Room;

/// Memory of a step, all of it in single precision.
#[derive(Debug, Default)]
pub struct Activations {
    /// `[rows, hidden]`: the residual stream.
    pub x: Room,
    /// `[rows, hidden]`: what a part reads, and what it gives where a norm is behind it.
    pub normed: Room,
    /// `[rows, qkv_width]`.
    pub qkv: Room,
    /// `[rows, heads * head_dim]`.
    pub attended: Room,
    /// `[rows, 2 * intermediate]`: gates, then ups.
    pub both: Room,
    /// `[rows, intermediate]`.
    pub joined: Room,
    /// Products of low rank.
    pub product: Room,
    /// Attention in parts, and the mass of each.
    pub partial: Room,
    /// The same.
    pub mass: Room,
}
