//! Predictions: what the user would choose.

use crate::matrix::{Symmetric, dot};
use crate::normal::{expectation, sigmoid};
use crate::posterior::Posterior;

impl Posterior {
    /// The probability that an answer with these features is preferred to another one, over all weights that are possible.
    /// Both have one number for each dimension.
    pub fn probability(&self, one: &[f64], other: &[f64]) -> f64 {
        let (mean, variance) = self.log_odds(one, other);
        expectation(mean, variance, sigmoid)
    }

    /// How often the user would choose by these weights, of pairs of answers to the same prompt: from 0.5, by chance, to 1. It assumes
    /// that features vary independently.
    pub fn consistency(&self) -> f64 {
        // The difference of two answers has twice the variance of one.
        expectation(0.0, 2.0 * self.norm().powi(2), |odds| sigmoid(odds.abs()))
    }

    /// Mean and variance of the log odds that one answer is preferred to another.
    pub(crate) fn log_odds(&self, one: &[f64], other: &[f64]) -> (f64, f64) {
        let difference = self.difference(one, other);
        let variance = dot(&difference, &Symmetric { rows: self.covariance.clone() }.times(&difference));
        (dot(&difference, &self.mean), variance.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posterior(mean: [f64; 2], variance: f64) -> Posterior {
        Posterior::independent(mean, [variance, variance], [2.0, 1.0])
    }

    #[test]
    fn a_certain_user_is_predicted_by_the_logistic_function() {
        let known = posterior([1.0, -3.0], 0.0);
        // (4 - 0) / 2 * 1 - (1 - 0.5) * 3 = 0.5
        let expected = sigmoid(0.5);
        assert!((known.probability(&[4.0, 1.0], &[0.0, 0.5]) - expected).abs() < 1e-12);
        assert!((known.probability(&[0.0, 0.5], &[4.0, 1.0]) - (1.0 - expected)).abs() < 1e-12);
        let unsure = posterior([1.0, -3.0], 5.0).probability(&[4.0, 1.0], &[0.0, 0.5]);
        assert!(unsure > 0.5 && unsure < expected, "doubt moves a prediction towards one half: {unsure}");
    }

    #[test]
    fn consistency_goes_from_chance_to_certainty() {
        assert_eq!(posterior([0.0, 0.0], 1.0).consistency(), 0.5);
        let (noisy, firm) = (posterior([1.0, 0.0], 1.0).consistency(), posterior([4.0, 0.0], 1.0).consistency());
        assert!(noisy > 0.68 && noisy < 0.75 && firm > 0.88 && firm < 0.93, "{noisy} {firm}");
    }
}
