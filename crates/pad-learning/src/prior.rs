//! The prior: what is believed of a user who has not chosen yet.

use serde::{Deserialize, Serialize};

use crate::choice::check_vector;
use crate::error::LearningError;
use crate::matrix::{Symmetric, add};

/// A Gaussian over weights, in units of the features' [`Scale`](crate::Scale).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// `[dimensions]`.
    pub mean: Vec<f64>,
    /// `[dimensions, dimensions]`, symmetric and positive definite.
    pub covariance: Vec<Vec<f64>>,
}

impl Prior {
    /// Nothing is known: mean 0, covariance 1.
    pub fn unit(dimensions: usize) -> Self {
        Self { mean: vec![0.0; dimensions], covariance: Symmetric::identity(dimensions).rows }
    }

    /// What is known of other users: the mean of their weights, and how these differ, which is the covariance of their means plus the
    /// mean of their covariances. Each is given as [`Posterior::as_prior`](crate::Posterior::as_prior). [`Prior::unit`] counts as much as
    /// `dimensions` users, so that few of them do not decide.
    pub fn of_population(dimensions: usize, users: &[Self]) -> Self {
        let users: Vec<&Self> = users.iter().filter(|user| user.mean.len() == dimensions).collect();
        let share = 1.0 / (users.len() + dimensions) as f64;
        let mut mean = vec![0.0; dimensions];
        users.iter().for_each(|user| add(&mut mean, share, &user.mean));
        // The unit prior's users lie around 0, not around the mean.
        let own = share * dimensions as f64;
        let mut covariance = Symmetric::zero(dimensions);
        covariance.add_matrix(own, &Symmetric::identity(dimensions));
        covariance.add_outer(own, &mean);
        for user in users {
            let apart: Vec<f64> = user.mean.iter().zip(&mean).map(|(one, mean)| one - mean).collect();
            user.covariance.iter().zip(&mut covariance.rows).for_each(|(row, sum)| add(sum, share, row));
            covariance.add_outer(share, &apart);
        }
        Self { mean, covariance: covariance.rows }
    }

    /// Mean and covariance of theta = (w, intercept), the covariance of w times the square of `width`. The intercept is around 0 with
    /// a standard deviation of 1.
    pub(crate) fn with_intercept(&self, width: f64) -> (Vec<f64>, Symmetric) {
        let mean = self.mean.iter().copied().chain([0.0]).collect();
        let scaled = |row: &Vec<f64>| row.iter().map(|entry| entry * width * width).chain([0.0]).collect();
        let mut rows: Vec<Vec<f64>> = self.covariance.iter().map(scaled).collect();
        rows.push(self.mean.iter().map(|_| 0.0).chain([1.0]).collect());
        (mean, Symmetric { rows })
    }

    /// Refuses a prior over another number of dimensions, and a covariance that is none.
    pub(crate) fn check(&self, dimensions: usize) -> Result<(), LearningError> {
        check_vector("the mean of the prior", &self.mean, dimensions)?;
        if self.covariance.len() != dimensions {
            let given = self.covariance.len();
            return Err(LearningError::Length { what: "the covariance of the prior", given, expected: dimensions });
        }
        for row in &self.covariance {
            check_vector("the covariance of the prior", row, dimensions)?;
        }
        let largest = self.covariance.iter().flatten().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
        let equal = |i: usize, j: usize| (self.covariance[i][j] - self.covariance[j][i]).abs() <= 1e-9 * largest;
        let symmetric = (0..dimensions).all(|i| (0..i).all(|j| equal(i, j)));
        let definite = || Symmetric { rows: self.covariance.clone() }.cholesky().is_some();
        if symmetric && definite() { Ok(()) } else { Err(LearningError::NotDefinite) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(mean: [f64; 2], variance: f64) -> Prior {
        Prior { mean: mean.to_vec(), covariance: vec![vec![variance, 0.0], vec![0.0, variance]] }
    }

    #[test]
    fn a_population_counts_by_its_number() {
        assert_eq!(Prior::of_population(2, &[]), Prior::unit(2));
        // Two users at 3 and 1, and two of the unit prior at 0: mean 4 / 4 = 1.
        let prior = Prior::of_population(2, &[user([3.0, 0.0], 0.5), user([1.0, 0.0], 0.5)]);
        assert_eq!(prior.mean, [1.0, 0.0]);
        // First dimension: (2 (1 + 1) + (0.5 + 4) + (0.5 + 0)) / 4; second: (2 + 0.5 + 0.5) / 4.
        assert_eq!(prior.covariance, [[2.25, 0.0], [0.0, 0.75]]);
        assert_eq!(prior.check(2), Ok(()));
    }

    #[test]
    fn what_is_no_covariance_is_refused() {
        let of =
            |covariance: [[f64; 2]; 2]| Prior { mean: vec![0.0; 2], covariance: covariance.map(Vec::from).to_vec() };
        assert_eq!(of([[1.0, 2.0], [2.0, 1.0]]).check(2), Err(LearningError::NotDefinite), "an eigenvalue is -1");
        assert_eq!(of([[1.0, 0.5], [0.0, 1.0]]).check(2), Err(LearningError::NotDefinite), "not symmetric");
        assert!(matches!(Prior::unit(3).check(2), Err(LearningError::Length { given: 3, expected: 2, .. })));
    }
}
