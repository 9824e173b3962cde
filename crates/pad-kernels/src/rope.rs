//! Rotary position embedding, in the layout that pairs element `i` with element `i + head_dim / 2`.

/// How long contexts stretch the rotations.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency divided by `factor`.
    Linear {
        /// The divisor.
        factor: f32,
    },
    /// Llama 3's: low frequencies divided by `factor`, high ones kept, a ramp between.
    Llama3 {
        /// The divisor of low frequencies.
        factor: f32,
        /// Wavelengths above `original_context / low_freq_factor` are low frequencies.
        low_freq_factor: f32,
        /// Wavelengths below `original_context / high_freq_factor` are high frequencies.
        high_freq_factor: f32,
        /// Context of the pretraining.
        original_context: f32,
    },
    /// One divisor per frequency, as GGUF files of Llama 3 carry them.
    Factors(Vec<f32>),
}

/// The frequencies of one model.
#[derive(Clone, Debug)]
pub struct Rope {
    frequencies: Vec<f32>,
}

impl Rope {
    /// Frequencies `theta^(-2i / head_dim)` for `i` in `0..head_dim / 2`, scaled.
    pub fn new(head_dim: usize, theta: f32, scaling: &RopeScaling) -> Self {
        let scaled = |(i, frequency): (usize, f32)| match scaling {
            RopeScaling::None => frequency,
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Factors(factors) => frequency / factors.get(i).copied().unwrap_or(1.0),
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let wavelength = 2.0 * std::f32::consts::PI / frequency;
                if wavelength < original_context / high_freq_factor {
                    frequency
                } else if wavelength > original_context / low_freq_factor {
                    frequency / factor
                } else {
                    let ramp = (original_context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - ramp) * frequency / factor + ramp * frequency
                }
            }
        };
        let plain = (0..head_dim / 2).map(|i| theta.powf(-((2 * i) as f32) / head_dim as f32));
        Self { frequencies: plain.enumerate().map(scaled).collect() }
    }

    /// Half the head's dimension.
    pub fn half(&self) -> usize {
        self.frequencies.len()
    }

    /// Append the cosines and sines of `position`, `half` of each.
    pub fn push(&self, position: usize, cos: &mut Vec<f32>, sin: &mut Vec<f32>) {
        for frequency in &self.frequencies {
            let angle = position as f32 * frequency;
            cos.push(angle.cos());
            sin.push(angle.sin());
        }
    }
}

/// Rotate one head in place by one position's cosines and sines.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = head.split_at_mut(cos.len());
    for (((a, b), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
    }
}
