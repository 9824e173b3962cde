//! A rotary embedding as a checkpoint describes it.

use pad_kernels::{Rope, RopeScaling};

/// What a rotary embedding is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Values of a head that are rotated, the first ones.
    pub dimensions: usize,
    /// Base of the frequencies.
    pub theta: f32,
    /// Scaling of the frequencies.
    pub scaling: RopeScaling,
    /// What rotated values are multiplied by.
    pub amplitude: f32,
}

impl RopeConfig {
    /// All of a head, nothing scaled.
    pub fn plain(head_dim: usize, theta: f32) -> Self {
        Self { dimensions: head_dim, theta, scaling: RopeScaling::None, amplitude: 1.0 }
    }

    /// The frequencies.
    pub fn rope(&self) -> Rope {
        Rope::new(self.dimensions, self.theta, &self.scaling).with_amplitude(self.amplitude)
    }
}

/// The amplitude of `YaRN` where the checkpoint gives none: `0.1 ln(factor) + 1`.
pub fn yarn_amplitude(factor: f32, weight: f32) -> f32 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}

/// The amplitude of longrope where the checkpoint gives none: `sqrt(1 + ln(context / original) / ln(original))`.
pub fn longrope_amplitude(context: f32, original: f32) -> f32 {
    let factor = context / original;
    if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() }
}
