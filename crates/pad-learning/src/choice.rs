//! A choice: what a user preferred, by the features of the answers.

use serde::{Deserialize, Serialize};

use crate::error::LearningError;

/// What a user preferred. Answers are given by their features: the rewards of each dimension, summed over the tokens, `[dimensions]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Choice {
    /// One answer was preferred to all others. Its probability is a softmax over the answers (Luce), with one other answer the
    /// logistic function.
    Best {
        /// The answer that was preferred.
        chosen: Vec<f64>,
        /// The other answers.
        others: Vec<Vec<f64>>,
    },
    /// All others were preferred to one answer.
    Worst {
        /// That answer.
        rejected: Vec<f64>,
        /// The other answers.
        others: Vec<Vec<f64>>,
    },
    /// One answer was approved of or not, without others to compare it with. The regression has an intercept for these, since a user
    /// may approve of most answers, or of few.
    Verdict {
        /// The answer.
        answer: Vec<f64>,
        /// What answers are like on average; the verdict is about the difference.
        typical: Vec<f64>,
        /// Whether it was approved of.
        approved: bool,
    },
}

/// An alternative to what the user did: with theta = (w, intercept), `row . theta` are the log odds of the alternative.
pub(crate) type Contrast = Vec<f64>;

impl Choice {
    /// Checks lengths and numbers.
    ///
    /// # Errors
    ///
    /// When a vector does not have `dimensions` finite numbers, or there is no other answer.
    pub fn check(&self, dimensions: usize) -> Result<(), LearningError> {
        let (one, others) = match self {
            Self::Best { chosen, others } => (chosen, others.as_slice()),
            Self::Worst { rejected, others } => (rejected, others.as_slice()),
            Self::Verdict { answer, typical, .. } => (answer, std::slice::from_ref(typical)),
        };
        if others.is_empty() {
            return Err(LearningError::NoOthers);
        }
        for vector in std::iter::once(one).chain(others) {
            check_vector("a vector of features", vector, dimensions)?;
        }
        Ok(())
    }

    /// The features of the answers that it is about, without what is typical.
    pub fn answers(&self) -> impl Iterator<Item = &[f64]> {
        let (one, others) = match self {
            Self::Best { chosen, others } => (chosen, others.as_slice()),
            Self::Worst { rejected, others } => (rejected, others.as_slice()),
            Self::Verdict { answer, .. } => (answer, [].as_slice()),
        };
        std::iter::once(one).chain(others).map(Vec::as_slice)
    }

    /// The differences between the other answers and the one that the choice is about, in the features' own units.
    pub(crate) fn differences(&self) -> impl Iterator<Item = Vec<f64>> {
        let (one, others) = match self {
            Self::Best { chosen, others } => (chosen, others.as_slice()),
            Self::Worst { rejected, others } => (rejected, others.as_slice()),
            Self::Verdict { answer, typical, .. } => (answer, std::slice::from_ref(typical)),
        };
        others.iter().map(move |other| other.iter().zip(one).map(|(other, one)| other - one).collect())
    }

    /// The rows of its likelihood, `1 / (1 + sum_j exp(row_j . theta))`, each `[dimensions + 1]`, with features in units of `scale`.
    pub(crate) fn contrasts(&self, scale: &[f64]) -> Vec<Contrast> {
        let (sign, intercept) = match self {
            Self::Best { .. } => (1.0, 0.0),
            Self::Worst { .. } => (-1.0, 0.0),
            Self::Verdict { approved: true, .. } => (1.0, -1.0),
            Self::Verdict { approved: false, .. } => (-1.0, 1.0),
        };
        let row = |difference: Vec<f64>| {
            let scaled = difference.iter().zip(scale).map(|(difference, scale)| sign * difference / scale);
            scaled.chain([intercept]).collect()
        };
        self.differences().map(row).collect()
    }
}

/// Refuses a vector of another length, and numbers that are not finite.
pub(crate) fn check_vector(what: &'static str, vector: &[f64], expected: usize) -> Result<(), LearningError> {
    if vector.len() != expected {
        return Err(LearningError::Length { what, given: vector.len(), expected });
    }
    match vector.iter().find(|number| !number.is_finite()) {
        Some(given) => Err(LearningError::NotFinite { what, given: *given }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(choice: &Choice) -> Vec<Vec<f64>> {
        choice.contrasts(&[2.0, 4.0])
    }

    #[test]
    fn rows_are_the_odds_of_the_alternatives() {
        let (one, other, third) = (vec![3.0, 0.0], vec![1.0, 4.0], vec![3.0, 2.0]);
        let best = Choice::Best { chosen: one.clone(), others: vec![other.clone(), third.clone()] };
        assert_eq!(rows(&best), [[-1.0, 1.0, 0.0], [0.0, 0.5, 0.0]]);
        let worst = Choice::Worst { rejected: one.clone(), others: vec![other.clone(), third] };
        assert_eq!(rows(&worst), [[1.0, -1.0, 0.0], [0.0, -0.5, 0.0]]);
        let verdict = |approved| Choice::Verdict { answer: one.clone(), typical: other.clone(), approved };
        assert_eq!(rows(&verdict(true)), [[-1.0, 1.0, -1.0]]);
        assert_eq!(rows(&verdict(false)), [[1.0, -1.0, 1.0]]);
    }

    #[test]
    fn what_is_no_choice_is_refused() {
        let best = |chosen: &[f64], others: &[&[f64]]| Choice::Best {
            chosen: chosen.to_vec(),
            others: others.iter().map(|other| other.to_vec()).collect(),
        };
        let refused = |choice: Choice| choice.check(2).expect_err("refused").to_string();
        assert_eq!(best(&[1.0, 2.0], &[&[0.0, 0.0]]).check(2), Ok(()));
        assert_eq!(refused(best(&[1.0, 2.0], &[])), "a choice has no other answers; allowed: one or more");
        let message = refused(best(&[1.0, 2.0], &[&[0.0]]));
        assert_eq!(message, "a vector of features has 1 numbers; allowed: 2, one for each dimension");
        let message = refused(best(&[1.0, f64::NAN], &[&[0.0, 0.0]]));
        assert_eq!(message, "a vector of features has NaN; allowed: finite numbers");
    }
}
