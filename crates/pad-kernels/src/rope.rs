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
    /// `YaRN`: frequencies that turn seldom within the original context divided by `factor`, those that turn often kept, a ramp
    /// between.
    Yarn {
        /// The divisor of low frequencies.
        factor: f32,
        /// Frequencies of more turns than this are kept.
        beta_fast: f32,
        /// Frequencies of fewer turns than this are divided.
        beta_slow: f32,
        /// Context of the pretraining.
        original_context: f32,
        /// Whether the ends of the ramp are whole pairs.
        whole: bool,
    },
    /// One divisor per frequency: as GGUF files of Llama 3 carry them, and as longrope has them.
    Factors(Vec<f32>),
}

impl RopeScaling {
    /// Its numbers; all of them are positive in a scaling that can be used.
    pub fn numbers(&self) -> Vec<f32> {
        match self {
            Self::None => vec![],
            Self::Linear { factor } => vec![*factor],
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                vec![*factor, *low_freq_factor, *high_freq_factor, *original_context]
            }
            Self::Yarn { factor, beta_fast, beta_slow, original_context, .. } => {
                vec![*factor, *beta_fast, *beta_slow, *original_context]
            }
            Self::Factors(factors) => factors.clone(),
        }
    }
}

/// The frequencies of one model.
#[derive(Clone, Debug)]
pub struct Rope {
    frequencies: Vec<f32>,
    amplitude: f32,
}

impl Rope {
    /// Frequencies `theta^(-2i / dimensions)` for `i` in `0..dimensions / 2`, scaled: of a head's values the first `dimensions` are
    /// rotated.
    pub fn new(dimensions: usize, theta: f32, scaling: &RopeScaling) -> Self {
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
            RopeScaling::Yarn { factor, beta_fast, beta_slow, original_context, whole } => {
                // The pair, as a real number, that turns so often within the original context.
                let pair = |turns: f32| {
                    let turned = original_context / (turns * 2.0 * std::f32::consts::PI);
                    dimensions as f32 * turned.ln() / (2.0 * theta.ln())
                };
                let (low, high) = (pair(*beta_fast), pair(*beta_slow));
                let (low, high) = if *whole { (low.floor(), high.ceil()) } else { (low, high) };
                let (low, high) = (low.max(0.0), high.min(dimensions as f32 - 1.0));
                let ramp = ((i as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
                frequency / factor * ramp + frequency * (1.0 - ramp)
            }
        };
        let plain = (0..dimensions / 2).map(|i| theta.powf(-((2 * i) as f32) / dimensions as f32));
        Self { frequencies: plain.enumerate().map(scaled).collect(), amplitude: 1.0 }
    }

    /// The same with every rotated value multiplied by `amplitude`: what `YaRN` and longrope add to the rotation.
    #[must_use]
    pub fn with_amplitude(mut self, amplitude: f32) -> Self {
        self.amplitude = amplitude;
        self
    }

    /// Half of the values that are rotated in a head.
    pub fn half(&self) -> usize {
        self.frequencies.len()
    }

    /// Append the cosines and sines of `position`, `half` of each.
    pub fn push(&self, position: usize, cos: &mut Vec<f32>, sin: &mut Vec<f32>) {
        for frequency in &self.frequencies {
            let angle = position as f32 * frequency;
            cos.push(self.amplitude * angle.cos());
            sin.push(self.amplitude * angle.sin());
        }
    }
}

/// Rotate one head in place by one position's cosines and sines: its first values, twice as many as these.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = head.split_at_mut(cos.len());
    for (((a, b), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yarn_keeps_the_fast_and_divides_the_slow() {
        let (theta, dimensions) = (10_000.0, 64);
        let plain = Rope::new(dimensions, theta, &RopeScaling::None).frequencies;
        let scaling =
            RopeScaling::Yarn { factor: 4.0, beta_fast: 32.0, beta_slow: 1.0, original_context: 4096.0, whole: true };
        let yarn = Rope::new(dimensions, theta, &scaling).frequencies;
        // Pair 10 turns 36.7 times in 4,096 positions, pair 11 27.5 times; pair 22 1.16 times, pair 23 0.87 times.
        for (i, (plain, yarn)) in plain.iter().zip(&yarn).enumerate() {
            let ratio = plain / yarn;
            let whole = |wanted: f32| (ratio - wanted).abs() < 1e-4;
            assert!(
                if i <= 10 {
                    whole(1.0)
                } else if i >= 23 {
                    whole(4.0)
                } else {
                    ratio > 1.0 && ratio < 4.0
                },
                "{i}: {ratio}"
            );
        }
    }

    #[test]
    fn an_amplitude_multiplies_what_is_rotated() {
        let rope = Rope::new(4, 10_000.0, &RopeScaling::None).with_amplitude(1.5);
        let (mut cos, mut sin) = (vec![], vec![]);
        rope.push(3, &mut cos, &mut sin);
        let mut head = [1.0, 2.0, 3.0, 4.0, 9.0];
        rotate(&mut head, &cos, &sin);
        let length = |a: f32, b: f32| a.hypot(b);
        assert!((length(head[0], head[2]) - 1.5 * length(1.0, 3.0)).abs() < 1e-5);
        assert!((length(head[1], head[3]) - 1.5 * length(2.0, 4.0)).abs() < 1e-5);
        assert_eq!(head[4], 9.0, "behind the rotated values");
    }
}
