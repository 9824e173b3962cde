//! Whether a score follows the weights.

/// Whether each mean is above the one before, by the order of their weights. `None` of fewer than two.
///
/// Multiply by the sign of the scale first, so that rising is always the wanted direction.
pub fn rises(points: &[(f64, f64)]) -> Option<bool> {
    if points.len() < 2 {
        return None;
    }
    let mut sorted = points.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    Some(sorted.windows(2).all(|pair| pair[0].1 < pair[1].1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_weights_counts() {
        assert_eq!(rises(&[(-1.0, 1.0), (2.0, 4.0), (0.0, 2.0), (1.0, 3.0)]), Some(true));
        assert_eq!(rises(&[(-1.0, 1.0), (0.0, 2.0), (1.0, 2.0)]), Some(false), "a plateau does not rise");
        assert_eq!(rises(&[(0.0, 2.0), (1.0, 1.0)]), Some(false));
        assert_eq!(rises(&[(0.0, 2.0)]), None);
    }
}
