//! Laplace's approximation: a Gaussian around the most probable weights.

use crate::choice::Contrast;
use crate::error::LearningError;
use crate::matrix::{Cholesky, Symmetric, add, dot};

/// Steps of Newton's method at most. The objective is concave, and ten are many.
const MOST_STEPS: usize = 60;

/// The method ends with a step that would raise the log probability by less than this.
const ENOUGH: f64 = 1e-12;

/// Mean and covariance of theta = (w, intercept), and how well the prior explains the choices.
pub(crate) struct Laplace {
    /// The most probable theta, `[dimensions + 1]`.
    pub(crate) mode: Vec<f64>,
    /// The inverse of the negative Hessian there.
    pub(crate) covariance: Symmetric,
    /// The logarithm of the probability of the choices under the prior, as approximated.
    pub(crate) evidence: f64,
}

/// Value, gradient and negative Hessian of the log posterior at one theta.
struct Point {
    value: f64,
    gradient: Vec<f64>,
    curvature: Symmetric,
}

/// What is maximised.
struct Objective<'a> {
    choices: &'a [Vec<Contrast>],
    mean: &'a [f64],
    /// The inverse of the prior's covariance.
    precision: Symmetric,
}

impl Laplace {
    /// Fits by Newton's method, from the prior's mean on.
    ///
    /// # Errors
    ///
    /// When the prior's covariance is not positive definite.
    pub(crate) fn fit(choices: &[Vec<Contrast>], mean: &[f64], covariance: &Symmetric) -> Result<Self, LearningError> {
        let prior = covariance.cholesky().ok_or(LearningError::NotDefinite)?;
        let objective = Objective { choices, mean, precision: prior.inverse() };
        let mut mode = mean.to_vec();
        let mut point = objective.at(&mode);
        for _ in 0..MOST_STEPS {
            // The curvature is at least the prior's precision.
            let step = factor(&point)?.solve(&point.gradient);
            let promised = dot(&step, &point.gradient) / 2.0;
            if promised < ENOUGH {
                // The error is squared by this last step; the value is too flat here to tell whether it rises.
                add(&mut mode, 1.0, &step);
                point = objective.at(&mode);
                break;
            }
            let Some((nearer, at)) = objective.ascend(&mode, &step, &point) else { break };
            (mode, point) = (nearer, at);
        }
        let curvature = factor(&point)?;
        let evidence = point.value - f64::midpoint(prior.log_determinant(), curvature.log_determinant());
        Ok(Self { mode, covariance: curvature.inverse(), evidence })
    }
}

impl Objective<'_> {
    fn at(&self, theta: &[f64]) -> Point {
        let apart: Vec<f64> = theta.iter().zip(self.mean).map(|(theta, mean)| theta - mean).collect();
        let pull = self.precision.times(&apart);
        let mut point = Point {
            value: -dot(&apart, &pull) / 2.0,
            gradient: pull.into_iter().map(|pull| -pull).collect(),
            curvature: self.precision.clone(),
        };
        for rows in self.choices {
            // The greatest logarithm is taken out of the sum of exponentials; that of what the user did is 0.
            let odds: Vec<f64> = rows.iter().map(|row| dot(row, theta)).collect();
            let greatest = odds.iter().copied().fold(0.0, f64::max);
            let total = (-greatest).exp() + odds.iter().map(|odds| (odds - greatest).exp()).sum::<f64>();
            point.value -= greatest + total.ln();
            let mut mean = vec![0.0; theta.len()];
            for (row, odds) in rows.iter().zip(odds) {
                let probability = (odds - greatest).exp() / total;
                add(&mut mean, probability, row);
                point.curvature.add_outer(probability, row);
            }
            add(&mut point.gradient, -1.0, &mean);
            point.curvature.add_outer(-1.0, &mean);
        }
        point
    }

    /// A step that raises the value, halved until it does; none where rounding alone is left.
    fn ascend(&self, from: &[f64], step: &[f64], point: &Point) -> Option<(Vec<f64>, Point)> {
        let mut length = 1.0;
        while length > 1e-6 {
            let mut theta = from.to_vec();
            add(&mut theta, length, step);
            let there = self.at(&theta);
            if there.value > point.value {
                return Some((theta, there));
            }
            length /= 2.0;
        }
        None
    }
}

fn factor(point: &Point) -> Result<Cholesky, LearningError> {
    point.curvature.cholesky().ok_or(LearningError::NotDefinite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(rows: &[&[f64]]) -> Laplace {
        let choices: Vec<Vec<Contrast>> = rows.iter().map(|row| vec![row.to_vec()]).collect();
        let dimensions = rows[0].len();
        Laplace::fit(&choices, &vec![0.0; dimensions], &Symmetric::identity(dimensions)).expect("a fit")
    }

    /// One choice with a difference of 1: the mode solves w = sigmoid(-w), which is 0.40106, and the curvature there is 1 + p (1 - p).
    #[test]
    fn one_choice_by_hand() {
        let found = fit(&[&[-1.0]]);
        let w = found.mode[0];
        assert!((w - 0.401_058_1).abs() < 1e-6, "{w}");
        let p = 1.0 / (1.0 + w.exp());
        assert!((found.covariance.rows[0][0] - 1.0 / (1.0 + p * (1.0 - p))).abs() < 1e-12);
        let evidence = -(1.0 + (-w).exp()).ln() - w * w / 2.0 - (1.0 + p * (1.0 - p)).ln() / 2.0;
        assert!((found.evidence - evidence).abs() < 1e-12);
    }

    #[test]
    fn choices_that_contradict_each_other_leave_the_mean_and_narrow_it() {
        let found = fit(&[&[-1.0, 0.0], &[1.0, 0.0]]);
        assert!(found.mode.iter().all(|w| w.abs() < 1e-12));
        assert!((found.covariance.rows[0][0] - 1.0 / 1.5).abs() < 1e-12, "1 + 2 / 4");
        assert_eq!(found.covariance.rows[1][1], 1.0, "nothing was said of the second");
    }

    #[test]
    fn differences_of_any_size_are_survived() {
        let found = fit(&[&[-1e8, 0.0], &[-1e8, 1.0], &[0.0, 1e-8]]);
        assert!(found.mode.iter().all(|w| w.is_finite()) && found.evidence.is_finite());
        assert!(found.mode[0] > 0.0);
    }
}
