//! What was learned, in words.

use crate::normal::below;
use crate::posterior::Posterior;

/// Probability of its sign from which on a weight is mentioned.
const CERTAIN: f64 = 0.9;

/// Below this share of the largest weight, a weight is small.
const SMALL: f64 = 0.5;

/// How a dimension is spoken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// What more of it is: "shorter".
    pub more: String,
    /// What less of it is: "longer".
    pub less: String,
}

impl Wording {
    /// "more NAME" and "less NAME".
    pub fn of_name(name: &str) -> Self {
        Self { more: format!("more {name}"), less: format!("less {name}") }
    }
}

impl Posterior {
    /// What the user prefers, such as "shorter, a little more cheerful": every weight whose sign is known with a probability of 0.9,
    /// the largest first. Empty where no weight is.
    pub fn describe(&self, wordings: &[Wording]) -> String {
        let deviations = self.deviations();
        let certain = |at: &usize| below(self.mean[*at].abs() / deviations[*at].max(f64::MIN_POSITIVE)) >= CERTAIN;
        let mut known: Vec<usize> = (0..self.mean.len().min(wordings.len())).filter(certain).collect();
        known.sort_by(|one, other| self.mean[*other].abs().total_cmp(&self.mean[*one].abs()));
        let largest = known.first().map_or(0.0, |first| self.mean[*first].abs());
        let phrase = |at: usize| {
            let wording = &wordings[at];
            let words = if self.mean[at] > 0.0 { &wording.more } else { &wording.less };
            let small = self.mean[at].abs() < SMALL * largest;
            if small { format!("a little {words}") } else { words.clone() }
        };
        known.into_iter().map(phrase).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::Scale;

    #[test]
    fn what_is_certain_is_said_in_the_order_of_its_weight() {
        let wordings = [
            Wording::of_name("cheerful"),
            Wording { more: "shorter".to_owned(), less: "longer".to_owned() },
            Wording::of_name("formal"),
        ];
        let described = |mean: [f64; 3], deviation: f64| {
            let row = |at: usize| (0..3).map(|other| if at == other { deviation * deviation } else { 0.0 }).collect();
            let covariance = (0..3).map(row).collect();
            let scale = Scale(vec![1.0; 3]);
            Posterior { scale, mean: mean.to_vec(), covariance, width: 1.0, choices: 9 }.describe(&wordings)
        };
        assert_eq!(described([0.4, 2.0, 0.1], 0.2), "shorter, a little more cheerful");
        assert_eq!(described([-1.5, -2.0, 0.1], 0.2), "longer, less cheerful");
        assert_eq!(described([0.4, 2.0, 0.1], 0.4), "shorter", "0.4 with a deviation of 0.4 has its sign with 0.84");
        assert_eq!(described([0.4, 2.0, 0.1], 3.0), "");
    }
}
