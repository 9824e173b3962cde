//! Shares of counts.

use super::Estimate;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The share of `right` among `count` with Wilson's 95 % interval, which holds near 0 and 1 and for few; none of nothing.
pub fn wilson(right: usize, count: usize) -> Option<Estimate> {
    if count == 0 {
        return None;
    }
    let n = count as f64;
    let share = right as f64 / n;
    let square = Z * Z / n;
    let middle = (share + square / 2.0) / (1.0 + square);
    let half = Z / (1.0 + square) * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    // Rounding must not leave the share itself outside.
    let (low, high) = ((middle - half).max(0.0).min(share), (middle + half).min(1.0).max(share));
    Some(Estimate { value: share, low, high, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(right: usize, count: usize, low: f64, high: f64) {
        let found = wilson(right, count).unwrap();
        assert!((found.low - low).abs() < 5e-4 && (found.high - high).abs() < 5e-4, "{right} of {count}: {found:?}");
    }

    #[test]
    fn known_intervals() {
        // Newcombe 1998, table I, method 3 (the score method).
        near(81, 263, 0.2553, 0.3662);
        near(15, 148, 0.0624, 0.1605);
        near(0, 20, 0.0, 0.1611);
        near(1, 29, 0.0061, 0.1718);
    }

    #[test]
    fn the_share_lies_within() {
        for (right, count) in [(0, 1), (1, 1), (7, 7), (3, 4)] {
            let found = wilson(right, count).unwrap();
            assert!(found.low <= found.value && found.value <= found.high, "{found:?}");
        }
        assert_eq!(wilson(0, 0), None);
    }
}
