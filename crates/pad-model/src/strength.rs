//! What a lane multiplies the parts of its adapter by.

use std::sync::Arc;

/// What a lane multiplies the parts of its adapter by: finite numbers, known by their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Strength(Numbers);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Numbers {
    One(u32),
    Mix(Arc<[u32]>),
}

impl Strength {
    /// The adapter or control vector as it is.
    pub const ONE: Self = Self(Numbers::One(1.0_f32.to_bits()));

    /// So many times a control vector.
    pub fn new(value: f32) -> Self {
        Self(Numbers::One(bits(value)))
    }

    /// A bilinear adapter whose cores have these weights, one for each dimension.
    pub fn mix(weights: &[f32]) -> Self {
        Self(Numbers::Mix(weights.iter().copied().map(bits).collect()))
    }

    /// What a control vector is multiplied by.
    pub fn value(&self) -> f32 {
        match self.0 {
            Numbers::One(bits) => f32::from_bits(bits),
            Numbers::Mix(_) => 1.0,
        }
    }

    /// The weights of a bilinear adapter's cores.
    pub(crate) fn weights(&self) -> Option<Vec<f32>> {
        match &self.0 {
            Numbers::One(_) => None,
            Numbers::Mix(weights) => Some(weights.iter().copied().map(f32::from_bits).collect()),
        }
    }
}

/// -0 is 0.
fn bits(value: f32) -> u32 {
    (value + 0.0).to_bits()
}
