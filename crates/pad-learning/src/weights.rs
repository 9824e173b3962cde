//! From what was learned to the weights of a request.

use crate::posterior::Posterior;

impl Posterior {
    /// The weights of a request that follows this user. `bounds` are the smallest and largest weight of each dimension, around 0.
    ///
    /// Steering towards rewards w . f is best done by weights proportional to w in the features' own units (equation 18 of PAD), so the
    /// mean is divided by the scale. How strongly to steer is not in the choices: the largest weight is 1 where the direction is
    /// known for certain, and in proportion to [`Posterior::alignment`] where it is not; without choices all are 0.
    pub fn weights(&self, bounds: &[[f64; 2]]) -> Vec<f64> {
        clamped(&self.per_unit(&self.mean), self.alignment(), bounds)
    }

    /// From weights per standard deviation of a feature to weights per unit of it.
    pub(crate) fn per_unit(&self, weights: &[f64]) -> Vec<f64> {
        weights.iter().zip(&self.scale.0).map(|(weight, scale)| weight / scale).collect()
    }
}

/// Weights in these proportions, the largest of them `strength`, each within its bounds.
pub(crate) fn clamped(weights: &[f64], strength: f64, bounds: &[[f64; 2]]) -> Vec<f64> {
    let largest = weights.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
    let factor = if largest > 0.0 { strength / largest } else { 0.0 };
    weights.iter().zip(bounds).map(|(weight, [low, high])| (weight * factor).clamp(*low, *high)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posterior(mean: [f64; 2], variance: f64) -> Posterior {
        Posterior::independent(mean, [variance, variance], [2.0, 1.0])
    }

    #[test]
    fn the_largest_weight_is_as_large_as_what_is_known() {
        let bounds = [[-2.0, 2.0], [-2.0, 2.0]];
        // Per unit: 2 / 2 and -4.
        assert_eq!(posterior([2.0, -4.0], 0.0).weights(&bounds), [0.25, -1.0]);
        // Alignment: sqrt(20 / (20 + 60)).
        assert_eq!(posterior([2.0, -4.0], 30.0).weights(&bounds), [0.125, -0.5]);
        assert_eq!(posterior([0.0, 0.0], 1.0).weights(&bounds), [0.0, 0.0]);
    }

    #[test]
    fn weights_stay_within_their_bounds() {
        assert_eq!(posterior([2.0, -4.0], 0.0).weights(&[[-2.0, 2.0], [0.0, 1.0]]), [0.25, 0.0]);
        assert_eq!(posterior([4.0, -1.0], 0.0).weights(&[[-0.5, 0.5], [-0.3, 1.0]]), [0.5, -0.3]);
    }
}
