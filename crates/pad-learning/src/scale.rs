//! The scale of features: how much answers to the same prompt differ in each dimension.

use serde::{Deserialize, Serialize};

use crate::choice::Choice;

/// The standard deviation of each dimension's feature over answers to one prompt, `[dimensions]`; 1 where nothing is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scale(pub Vec<f64>);

impl Scale {
    /// The scale of the answers of these choices: of two answers to one prompt, the squared difference is on average twice the
    /// variance.
    ///
    /// It is computed from the choices alone, so that leaving one out gives what would have been without it.
    pub fn of(dimensions: usize, choices: &[Choice]) -> Self {
        let (mut squares, mut count) = (vec![0.0; dimensions], 0.0);
        for difference in choices.iter().flat_map(Choice::differences) {
            count += 1.0;
            squares
                .iter_mut()
                .zip(difference)
                .for_each(|(square, difference)| *square += difference * difference / 2.0);
        }
        let deviation = |square: f64| if square > 0.0 { (square / count).sqrt() } else { 1.0 };
        Self(squares.into_iter().map(deviation).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_mean_square_of_the_differences_is_the_variance() {
        let choice = |chosen: [f64; 3], others: &[[f64; 3]]| Choice::Best {
            chosen: chosen.to_vec(),
            others: others.iter().map(|other| other.to_vec()).collect(),
        };
        assert_eq!(Scale::of(2, &[]), Scale(vec![1.0, 1.0]));
        let choices =
            [choice([0.0, 1.0, 5.0], &[[4.0, 1.0, 2.0]]), choice([1.0, 1.0, 0.0], &[[1.0, 1.0, 3.0], [3.0, 1.0, 0.0]])];
        // Squares 16, 0, 4 and 9, 9, 0: their sums over 3 differences, halved.
        let expected = [(20.0_f64 / 6.0).sqrt(), 1.0, (18.0_f64 / 6.0).sqrt()];
        for (found, expected) in Scale::of(3, &choices).0.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
