//! The percentile bootstrap: how far a figure would vary with other prompts of the same kind.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// Of how many prompts (or pairs) it is.
    pub count: usize,
}

impl Estimate {
    /// Whether the interval lies on one side of this value.
    pub fn excludes(&self, value: f64) -> bool {
        self.low > value || self.high < value
    }

    /// The same with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { value: -self.value, low: -self.high, high: -self.low, ..self }
    }

    /// Times 1 or -1.
    #[must_use]
    pub fn signed(self, sign: f64) -> Self {
        if sign < 0.0 { self.negated() } else { self }
    }
}

/// Draws prompts again and again; the same seed draws the same ones.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap {
    /// How many times.
    pub resamples: usize,
    /// Where the draws begin.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, seed: 0 }
    }
}

impl Bootstrap {
    /// The mean of values, one a prompt; none of nothing.
    pub fn mean(self, values: &[f64]) -> Option<Estimate> {
        self.of(values.len(), |drawn| mean(&drawn.iter().map(|index| values[*index]).collect::<Vec<_>>()))
    }

    /// The sum of one list over the sum of another, prompt by prompt: the mean per token, say.
    pub fn quotient(self, above: &[f64], below: &[f64]) -> Option<Estimate> {
        let count = above.len().min(below.len());
        self.of(count, |drawn| {
            let sum = |values: &[f64]| drawn.iter().map(|index| values[*index]).sum::<f64>();
            Some(sum(above) / sum(below)).filter(|quotient| quotient.is_finite())
        })
    }

    /// Any figure of `count` prompts: `figure` gets the numbers of those that were drawn.
    pub fn of(self, count: usize, figure: impl Fn(&[usize]) -> Option<f64>) -> Option<Estimate> {
        let all: Vec<usize> = (0..count).collect();
        let value = figure(&all)?;
        let mut draws = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn = vec![0; count];
        let mut figures = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            draw(&mut draws, &mut drawn);
            figures.extend(figure(&drawn));
        }
        figures.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&figures, share).unwrap_or(value);
        Some(Estimate { value, low: at(0.025), high: at(0.975), count })
    }
}

fn draw(draws: &mut impl Rng, drawn: &mut [usize]) {
    let count = drawn.len();
    for index in drawn {
        *index = draws.random_range(0..count);
    }
}

/// The mean; none of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of a sample; none of fewer than two.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let middle = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The quantile of sorted values, between neighbours where it falls between them; none of nothing.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_near_the_normal_one() {
        // 0, 1, ..., 99: mean 49.5, deviation 29.01, so 1.96 standard errors of the mean (without n - 1) are 5.66.
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let found = Bootstrap::default().mean(&values).unwrap();
        assert_eq!((found.value, found.count), (49.5, 100));
        assert!((found.low - (49.5 - 5.66)).abs() < 0.5, "{found:?}");
        assert!((found.high - (49.5 + 5.66)).abs() < 0.5, "{found:?}");
        assert_eq!(Bootstrap::default().mean(&values), Some(found), "the same seed draws the same");
        assert_ne!(Bootstrap { seed: 1, ..Bootstrap::default() }.mean(&values), Some(found));
    }

    #[test]
    fn pairs_that_differ_alike_leave_no_doubt() {
        let found = Bootstrap::default().mean(&[2.0; 9]).unwrap();
        assert_eq!((found.low, found.value, found.high), (2.0, 2.0, 2.0));
        assert!(found.excludes(0.0) && found.excludes(3.0) && !found.excludes(2.0));
        assert_eq!(found.signed(-1.0), Estimate { value: -2.0, low: -2.0, high: -2.0, count: 9 });
        assert_eq!(Bootstrap::default().mean(&[]), None);
    }

    #[test]
    fn a_quotient_is_of_sums() {
        let found = Bootstrap::default().quotient(&[1.0, 6.0], &[1.0, 2.0]).unwrap();
        assert!((found.value - 7.0 / 3.0).abs() < 1e-12);
        assert_eq!((found.low, found.high), (1.0, 3.0), "only the first, or only the second, are drawn often enough");
        assert_eq!(Bootstrap::default().quotient(&[1.0], &[0.0]), None);
    }

    #[test]
    fn quantiles_and_deviations() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 5.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 5.0], 1.0), Some(5.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(standard_deviation(&[1.0, 2.0, 3.0]), Some(1.0));
        assert_eq!(standard_deviation(&[1.0]), None);
    }
}
