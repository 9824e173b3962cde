//! How often the better answer gets the higher reward, with confidence intervals.

use serde::Serialize;

/// Pairs of one dimension that were told right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Accuracy {
    /// Pairs looked at.
    pub pairs: usize,
    /// The better answer had the higher reward.
    pub right: usize,
}

impl Accuracy {
    /// Count one pair.
    pub fn add(&mut self, margin: f32) {
        self.pairs += 1;
        self.right += usize::from(margin > 0.0);
    }

    /// Share of the pairs.
    pub fn share(&self) -> f64 {
        self.right as f64 / self.pairs.max(1) as f64
    }

    /// Wilson's 95 % interval of the share.
    pub fn interval(&self) -> [f64; 2] {
        if self.pairs == 0 {
            return [0.0, 1.0];
        }
        let (n, p, z) = (self.pairs as f64, self.share(), 1.959_964);
        let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [(centre - half).max(0.0), (centre + half).min(1.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval() {
        let [low, high] = Accuracy { pairs: 100, right: 80 }.interval();
        assert!((low - 0.7112).abs() < 1e-3 && (high - 0.8666).abs() < 1e-3, "{low} {high}");
        assert_eq!(Accuracy::default().interval(), [0.0, 1.0]);
        let [low, high] = Accuracy { pairs: 10, right: 10 }.interval();
        assert!(low > 0.7 && low < 0.73 && high > 0.999_999);
    }
}
