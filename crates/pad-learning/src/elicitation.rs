//! Elicitation: which choice would teach most.

use crate::matrix::Symmetric;
use crate::normal::{expectation, sigmoid};
use crate::posterior::Posterior;
use crate::weights::clamped;

/// Two answers to compare, by their places in a list, and what the choice between them would teach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// The first answer.
    pub first: usize,
    /// The second one.
    pub second: usize,
    /// Expected information about the weights, in nats; at most ln 2.
    pub information: f64,
}

impl Posterior {
    /// The expected information, in nats, that a choice between two answers gives about the weights: the entropy of the choice, less
    /// the mean entropy that it has for each possible value of the weights (Houlsby et al., 2011, arXiv 1112.5745).
    pub fn information(&self, one: &[f64], other: &[f64]) -> f64 {
        let (mean, variance) = self.log_odds(one, other);
        let unknown = entropy(expectation(mean, variance, sigmoid));
        let inherent = expectation(mean, variance, |odds| entropy(sigmoid(odds)));
        (unknown - inherent).max(0.0)
    }

    /// The two answers to one prompt between which a choice teaches most; none of fewer than two.
    pub fn most_informative(&self, answers: &[Vec<f64>]) -> Option<Question> {
        let pairs = (0..answers.len()).flat_map(|first| (first + 1..answers.len()).map(move |second| (first, second)));
        let question = |(first, second): (usize, usize)| {
            let information = self.information(&answers[first], &answers[second]);
            Question { first, second, information }
        };
        pairs.map(question).max_by(|one, other| one.information.total_cmp(&other.information))
    }

    /// Two vectors of weights whose answers differ most in what is not known yet: the mean, as far as it is known, plus and minus the
    /// direction in which the weights are least certain. `bounds` are the smallest and largest weight of each dimension.
    pub fn opposed(&self, bounds: &[[f64; 2]]) -> [Vec<f64>; 2] {
        let direction = self.least_certain();
        let known = if self.norm() > 0.0 { self.alignment() / self.norm() } else { 0.0 };
        [1.0, -1.0].map(|sign| {
            let weights: Vec<f64> =
                self.mean.iter().zip(&direction).map(|(mean, entry)| known * mean + sign * entry).collect();
            clamped(&self.per_unit(&weights), 1.0, bounds)
        })
    }

    /// The direction of the largest variance, of norm 1; its largest entry is positive.
    fn least_certain(&self) -> Vec<f64> {
        let eigen = Symmetric { rows: self.covariance.clone() }.eigen();
        let direction = eigen.into_iter().next().map(|(_, vector)| vector).unwrap_or_default();
        let largest = direction.iter().copied().max_by(|one, other| one.abs().total_cmp(&other.abs()));
        let sign = if largest.is_some_and(|entry| entry < 0.0) { -1.0 } else { 1.0 };
        direction.into_iter().map(|entry| sign * entry).collect()
    }
}

/// The entropy of an event of this probability, in nats.
fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    part(p) + part(1.0 - p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posterior(mean: [f64; 2], variances: [f64; 2]) -> Posterior {
        Posterior::independent(mean, variances, [1.0, 1.0])
    }

    #[test]
    fn what_is_known_teaches_nothing() {
        let known = posterior([1.0, 0.0], [0.0, 4.0]);
        assert!(known.information(&[2.0, 0.0], &[0.0, 0.0]) < 1e-12, "the choice is noisy, the weight is known");
        assert!(known.information(&[0.0, 2.0], &[0.0, 0.0]) > 0.2);
        assert!(known.information(&[0.0, 1e6], &[0.0, 0.0]) <= std::f64::consts::LN_2);
        assert!(known.information(&[50.0, 0.2], &[0.0, 0.0]) < 1e-3, "the outcome is certain");
        assert!(known.information(&[1.0, 1.0], &[1.0, 1.0]) < 1e-12, "there is nothing to choose");
    }

    #[test]
    fn the_pair_that_differs_in_what_is_unknown_is_asked() {
        let known = posterior([2.0, 0.0], [0.1, 2.0]);
        let answers = [vec![0.0, 0.0], vec![3.0, 0.0], vec![0.2, 2.0], vec![0.0, -1.5]];
        let question = known.most_informative(&answers).expect("a question");
        assert_eq!((question.first, question.second), (2, 3));
        assert_eq!(known.most_informative(&answers[..1]), None);
    }

    #[test]
    fn weights_are_opposed_along_the_largest_uncertainty() {
        let bounds = [[-2.0, 2.0], [-2.0, 2.0]];
        let [one, other] = posterior([0.0, 0.0], [1.0, 2.0]).opposed(&bounds);
        assert_eq!((one, other), (vec![0.0, 1.0], vec![-0.0, -1.0]));
        // Alignment: 3 / sqrt(9 + 2.5) = 0.885, below the direction's 1.
        let [one, other] = posterior([3.0, 0.0], [0.5, 2.0]).opposed(&bounds);
        assert!((one[0] - 0.885).abs() < 1e-3 && (one[1] - 1.0).abs() < 1e-12, "{one:?}");
        assert!((other[0] - 0.885).abs() < 1e-3 && (other[1] + 1.0).abs() < 1e-12, "{other:?}");
        let narrow = posterior([0.0, 0.0], [1.0, 2.0]).opposed(&[[-2.0, 2.0], [0.0, 0.5]]);
        assert_eq!(narrow, [vec![0.0, 0.5], vec![-0.0, 0.0]], "within what a request may give");
    }
}
