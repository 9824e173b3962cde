//! The strength of a head: what its rewards are multiplied by so that weight 1 means as told.
//!
//! A least-squares fit tells a part of the rewards and is therefore too timid. At weight 1 a prompted lane brings the answer an
//! expected reward; the strength is the number at which steering by the head's rewards brings as much of the lane's reward.

use super::state::{Targets, softmax};
use super::trace::TracedStep;

/// The strengths that are allowed. More than three times the rewards would amplify mostly errors.
const RANGE: (f32, f32) = (1.0, 3.0);

/// Halvings of the range, which leave thousandths.
const HALVINGS: usize = 12;

/// One state with what the head of one dimension predicts.
#[derive(Debug)]
pub struct Told<'a> {
    pub step: &'a TracedStep,
    pub targets: &'a Targets,
    /// `[k, dimensions]`, centred.
    pub predicted: &'a [f32],
}

/// The strength of dimension `d` of `dimensions`; 1 where there is nothing to measure it on.
pub fn strength(states: &[Told<'_>], d: usize, dimensions: usize) -> f32 {
    let column = |values: &[f32]| values.iter().skip(d).step_by(dimensions).copied().collect::<Vec<f32>>();
    let gained = |step: &TracedStep, rewards: &[f32], steering: &[f32], by: f32| -> f64 {
        let scores: Vec<f32> = step.base.iter().zip(steering).map(|(base, reward)| base + by * reward).collect();
        softmax(&scores).iter().zip(rewards).map(|(p, reward)| f64::from(p * reward)).sum()
    };
    let all: Vec<(&TracedStep, Vec<f32>, Vec<f32>)> =
        states.iter().map(|told| (told.step, column(&told.targets.rewards), column(told.predicted))).collect();
    let wanted: f64 = all.iter().map(|(step, rewards, _)| gained(step, rewards, rewards, 1.0)).sum();
    let gains = |by: f32| all.iter().map(|(step, rewards, own)| gained(step, rewards, own, by)).sum::<f64>();
    let (mut low, mut high) = RANGE;
    if all.is_empty() || gains(low) >= wanted {
        return low;
    }
    if gains(high) < wanted {
        return high;
    }
    for _ in 0..HALVINGS {
        let middle = f32::midpoint(low, high);
        if gains(middle) < wanted { low = middle } else { high = middle }
    }
    f32::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_tells_two_thirds_is_multiplied_by_three_halves() {
        let step =
            TracedStep { candidates: vec![1, 2, 3], base: vec![-0.5, -1.5, -2.0], rewards: vec![vec![-0.4, 0.9, 0.2]] };
        let targets = Targets::of(&step, 1);
        let predicted = |share: f32| targets.rewards.iter().map(|r| share * r).collect::<Vec<f32>>();
        for (share, want) in [(2.0 / 3.0, 1.5), (1.0, 1.0), (3.0, 1.0), (0.1, 3.0)] {
            let predicted = predicted(share);
            let got = strength(&[Told { step: &step, targets: &targets, predicted: &predicted }], 0, 1);
            assert!((got - want).abs() < 2e-3, "{share}: {got}");
        }
        assert!((strength(&[], 0, 1) - 1.0).abs() < f32::EPSILON);
    }
}
