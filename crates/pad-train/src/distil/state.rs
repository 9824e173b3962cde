//! One token of a trace as the fit sees it: a hidden state and what each candidate should be rewarded with.

use super::trace::TracedStep;

/// Rewards farther than so many nats from the mean count as so many: a few huge ones would decide the whole fit.
const FARTHEST: f32 = 8.0;

/// The share of a candidate's weight that is its probability under the base model; the rest is the same for all, because steering
/// brings up what the base model finds improbable.
const BY_PROBABILITY: f32 = 0.5;

/// Where a state is: the answer, and the token in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    pub answer: usize,
    pub step: usize,
}

/// What the heads are fitted to at one state.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Probability of each candidate under the base model, among the candidates, `[k]`.
    pub probability: Vec<f32>,
    /// How much an error at each candidate counts, `[k]`; the sum is 1.
    pub weight: Vec<f32>,
    /// The rewards, `[k, dimensions]`, centred.
    pub rewards: Vec<f32>,
}

impl Targets {
    /// Of a step with `dimensions` rewards.
    pub fn of(step: &TracedStep, dimensions: usize) -> Self {
        let probability = softmax(&step.base);
        let k = probability.len();
        let even = (1.0 - BY_PROBABILITY) / k as f32;
        let weight = probability.iter().map(|p| BY_PROBABILITY * p + even).collect();
        let mut rewards = vec![0.0; k * dimensions];
        for (d, of) in step.rewards.iter().enumerate() {
            of.iter().enumerate().for_each(|(c, r)| rewards[c * dimensions + d] = *r);
        }
        centre(&mut rewards, &probability, dimensions);
        rewards.iter_mut().for_each(|r| *r = r.clamp(-FARTHEST, FARTHEST));
        centre(&mut rewards, &probability, dimensions);
        Self { probability, weight, rewards }
    }
}

/// Take the mean under `probability` from the columns of `values`, `[k, columns]`: rewards matter up to a constant per state.
pub fn centre(values: &mut [f32], probability: &[f32], columns: usize) {
    for column in 0..columns {
        let at = |c: usize| c * columns + column;
        let mean: f32 = probability.iter().enumerate().map(|(c, p)| p * values[at(c)]).sum();
        (0..probability.len()).for_each(|c| values[at(c)] -= mean);
    }
}

/// Probabilities of log-weights.
pub fn softmax(values: &[f32]) -> Vec<f32> {
    let highest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut all: Vec<f32> = values.iter().map(|value| (value - highest).exp()).collect();
    let sum: f32 = all.iter().sum();
    all.iter_mut().for_each(|value| *value /= sum);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_centred_and_weights_are_half_even() {
        let step = TracedStep {
            candidates: vec![4, 5],
            base: vec![0.75_f32.ln(), 0.25_f32.ln()],
            rewards: vec![vec![1.0, -3.0], vec![0.0, 100.0]],
        };
        let targets = Targets::of(&step, 2);
        let near = |got: &[f32], want: &[f32]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6);
        assert!(near(&targets.probability, &[0.75, 0.25]));
        assert!(near(&targets.weight, &[0.625, 0.375]));
        // The second dimension has the mean 25; -25 and 75 count as -8 and 8, whose mean is -4.
        assert!(near(&targets.rewards, &[1.0, -4.0, -3.0, 12.0]), "{:?}", targets.rewards);
    }
}
