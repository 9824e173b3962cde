//! The posterior: what the choices of a user say about the weights.

use serde::{Deserialize, Serialize};

use crate::choice::{Choice, Contrast};
use crate::error::LearningError;
use crate::laplace::Laplace;
use crate::matrix::{Symmetric, add, norm};
use crate::prior::Prior;
use crate::scale::Scale;

/// Widths of the prior that are averaged: its covariance is taken times their squares. How consistent a user's choices are is not known
/// in advance, and it is what decides how far the weights lie from 0. Each width has the same probability before the choices.
pub const WIDTHS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// A Gaussian over weights, in units of the features' scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Posterior {
    /// The scale of the features in the choices.
    pub scale: Scale,
    /// `[dimensions]`.
    pub mean: Vec<f64>,
    /// `[dimensions, dimensions]`.
    pub covariance: Vec<Vec<f64>>,
    /// The width of the prior, as estimated from the choices: a geometric mean of [`WIDTHS`].
    pub width: f64,
    /// The number of choices that it rests on.
    pub choices: usize,
}

impl Posterior {
    /// Mean and covariance of the weights of `dimensions` dimensions after these choices. Without any they are the prior's.
    ///
    /// The cost is linear in the number of choices; a thousand of 13 dimensions take some milliseconds.
    ///
    /// # Errors
    ///
    /// When a choice or the prior has other dimensions, or numbers that are not finite; when the prior's covariance is not positive
    /// definite.
    pub fn fit(dimensions: usize, choices: &[Choice], prior: &Prior) -> Result<Self, LearningError> {
        prior.check(dimensions)?;
        choices.iter().try_for_each(|choice| choice.check(dimensions))?;
        let scale = Scale::of(dimensions, choices);
        if choices.is_empty() {
            let (mean, covariance) = (prior.mean.clone(), prior.covariance.clone());
            return Ok(Self { scale, mean, covariance, width: 1.0, choices: 0 });
        }
        let contrasts: Vec<Vec<Contrast>> = choices.iter().map(|choice| choice.contrasts(&scale.0)).collect();
        let fit = |width: f64| {
            let (mean, covariance) = prior.with_intercept(width);
            Laplace::fit(&contrasts, &mean, &covariance)
        };
        let fits = WIDTHS.map(fit).into_iter().collect::<Result<Vec<_>, _>>()?;
        let greatest = fits.iter().map(|fit| fit.evidence).fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = fits.iter().map(|fit| (fit.evidence - greatest).exp()).collect();
        let total: f64 = shares.iter().sum();
        let shares: Vec<f64> = shares.into_iter().map(|share| share / total).collect();
        let (mean, covariance) = mixture(dimensions, &fits, &shares);
        let width = shares.iter().zip(WIDTHS).map(|(share, width)| share * width.ln()).sum::<f64>().exp();
        Ok(Self { scale, mean, covariance: covariance.rows, width, choices: choices.len() })
    }

    /// What it says of a user of the same kind.
    pub fn as_prior(&self) -> Prior {
        Prior { mean: self.mean.clone(), covariance: self.covariance.clone() }
    }

    /// The standard deviation of each weight.
    pub fn deviations(&self) -> Vec<f64> {
        self.covariance.iter().enumerate().map(|(at, row)| row[at].max(0.0).sqrt()).collect()
    }

    /// The norm of the mean: the inverse temperature of the choices. Of two answers that differ by one standard deviation in the
    /// direction of the weights, the better one is chosen with odds of e to this power.
    pub fn norm(&self) -> f64 {
        norm(&self.mean)
    }

    /// How far the direction of the weights is known, from 0 (not at all) to 1: about the cosine to expect between the mean and the
    /// weights that the user has.
    pub fn alignment(&self) -> f64 {
        let square = self.norm().powi(2);
        let spread: f64 = self.covariance.iter().enumerate().map(|(at, row)| row[at]).sum();
        if square > 0.0 { (square / (square + spread)).sqrt() } else { 0.0 }
    }

    /// The features of one answer minus those of another, in units of the scale.
    pub(crate) fn difference(&self, one: &[f64], other: &[f64]) -> Vec<f64> {
        one.iter().zip(other).zip(&self.scale.0).map(|((one, other), scale)| (one - other) / scale).collect()
    }
}

/// Mean and covariance of a mixture of Gaussians, the intercept left out.
fn mixture(dimensions: usize, fits: &[Laplace], shares: &[f64]) -> (Vec<f64>, Symmetric) {
    let mut mean = vec![0.0; dimensions];
    fits.iter().zip(shares).for_each(|(fit, share)| add(&mut mean, *share, &fit.mode));
    let mut covariance = Symmetric::zero(dimensions);
    for (fit, share) in fits.iter().zip(shares) {
        let apart: Vec<f64> = fit.mode.iter().zip(&mean).map(|(mode, mean)| mode - mean).collect();
        covariance.add_matrix(*share, &fit.covariance);
        covariance.add_outer(*share, &apart);
    }
    (mean, covariance)
}

#[cfg(test)]
impl Posterior {
    /// Two weights that are known independently of each other.
    pub(crate) fn independent(mean: [f64; 2], variances: [f64; 2], scale: [f64; 2]) -> Self {
        let covariance = vec![vec![variances[0], 0.0], vec![0.0, variances[1]]];
        Self { scale: Scale(scale.to_vec()), mean: mean.to_vec(), covariance, width: 1.0, choices: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(chosen: [f64; 2], other: [f64; 2]) -> Choice {
        Choice::Best { chosen: chosen.to_vec(), others: vec![other.to_vec()] }
    }

    fn some() -> Vec<Choice> {
        vec![
            best([3.0, 1.0], [0.0, 0.0]),
            best([1.0, -2.0], [-1.0, 1.0]),
            Choice::Worst { rejected: vec![-2.0, 1.0], others: vec![vec![0.0, 0.0], vec![1.0, 4.0]] },
            Choice::Verdict { answer: vec![2.0, 2.0], typical: vec![0.5, 1.0], approved: true },
            best([0.0, 5.0], [1.0, 1.0]),
        ]
    }

    fn fit(choices: &[Choice]) -> Posterior {
        Posterior::fit(2, choices, &Prior::unit(2)).expect("a posterior")
    }

    #[test]
    fn without_choices_it_is_the_prior() {
        let prior = Prior { mean: vec![0.5, -1.0], covariance: vec![vec![2.0, 0.5], vec![0.5, 1.0]] };
        let posterior = Posterior::fit(2, &[], &prior).expect("a posterior");
        assert_eq!((&posterior.mean, &posterior.covariance), (&prior.mean, &prior.covariance));
        assert_eq!((fit(&[]).alignment(), fit(&[]).norm()), (0.0, 0.0));
    }

    #[test]
    fn the_order_of_choices_does_not_matter_and_leaving_one_out_is_undoing_it() {
        let (choices, mut turned) = (some(), some());
        turned.reverse();
        let (one, other) = (fit(&choices), fit(&turned));
        for (one, other) in one.mean.iter().zip(&other.mean) {
            assert!((one - other).abs() < 1e-9, "{one} {other}");
        }
        let mut more = choices.clone();
        more.push(best([9.0, 9.0], [0.0, 0.0]));
        assert_ne!(fit(&more).mean, one.mean);
        more.pop();
        assert_eq!(fit(&more), one);
    }

    #[test]
    fn units_of_features_do_not_matter() {
        let times = |vector: &[f64]| vec![vector[0] * 100.0, vector[1] * 0.01];
        let scaled = |choice: &Choice| match choice {
            Choice::Best { chosen, others } => {
                Choice::Best { chosen: times(chosen), others: others.iter().map(|other| times(other)).collect() }
            }
            Choice::Worst { rejected, others } => {
                Choice::Worst { rejected: times(rejected), others: others.iter().map(|other| times(other)).collect() }
            }
            Choice::Verdict { answer, typical, approved } => {
                Choice::Verdict { answer: times(answer), typical: times(typical), approved: *approved }
            }
        };
        let (plain, other) = (fit(&some()), fit(&some().iter().map(scaled).collect::<Vec<_>>()));
        for (one, other) in plain.mean.iter().zip(&other.mean) {
            assert!((one - other).abs() < 1e-9, "{one} {other}");
        }
    }

    /// Twelve equal choices speak for consistency, twelve that contradict each other for chance; the width follows.
    #[test]
    fn noise_is_estimated() {
        let choice = |forward: bool| if forward { best([1.0, 0.0], [0.0, 0.0]) } else { best([0.0, 0.0], [1.0, 0.0]) };
        let consistent = fit(&(0..12).map(|_| choice(true)).collect::<Vec<_>>());
        let random = fit(&(0..12).map(|i| choice(i % 2 == 0)).collect::<Vec<_>>());
        assert!(consistent.norm() > 1.5 && random.norm() < 1e-9, "{} {}", consistent.norm(), random.norm());
        assert!(consistent.width > 1.2 && random.width < 0.9, "{} {}", consistent.width, random.width);
        assert!(consistent.alignment() > random.alignment());
    }

    /// An approval of everything says nothing about what distinguishes the answers.
    #[test]
    fn approving_of_opposites_moves_the_intercept_alone() {
        let verdict = |at: f64, approved| Choice::Verdict { answer: vec![at, 0.0], typical: vec![0.0, 0.0], approved };
        let all = fit(&[verdict(1.0, true), verdict(-1.0, true), verdict(1.0, true), verdict(-1.0, true)]);
        assert!(all.norm() < 1e-9, "{}", all.norm());
        let some = fit(&[verdict(1.0, true), verdict(-1.0, false), verdict(1.0, true), verdict(-1.0, false)]);
        assert!(some.mean[0] > 0.5, "{}", some.mean[0]);
    }

    #[test]
    fn what_is_stored_is_what_was_fitted() {
        let posterior = fit(&some());
        let text = serde_json::to_string(&posterior).expect("JSON");
        let read: Posterior = serde_json::from_str(&text).expect("a posterior");
        assert_eq!(read.choices, 5);
        for (one, other) in read.mean.iter().zip(&posterior.mean) {
            assert!((one - other).abs() < 1e-12);
        }
    }

    #[test]
    fn other_dimensions_are_refused() {
        let error = Posterior::fit(3, &some(), &Prior::unit(3)).expect_err("refused");
        assert!(matches!(error, LearningError::Length { given: 2, expected: 3, .. }), "{error}");
    }
}
