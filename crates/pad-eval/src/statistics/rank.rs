//! Rank correlation.

/// Spearman's rank correlation of pairs: Pearson's of the ranks, ties sharing their mean rank. 0 where one side is all ties,
/// since it follows nothing; `None` of fewer than three pairs.
pub fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (xs, ys) = (ranks(&xs), ranks(&ys));
    // The mean of the ranks 1 to n.
    let mean = f64::midpoint(pairs.len() as f64, 1.0);
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let spread = (product(&xs, &xs) * product(&ys, &ys)).sqrt();
    Some(if spread == 0.0 { 0.0 } else { product(&xs, &ys) / spread })
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + f64::midpoint(equal as f64, 1.0)
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_correlations() {
        let with =
            |ys: &[f64]| rank_correlation(&ys.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect::<Vec<_>>());
        assert_eq!(with(&[1.0, 10.0, 11.0, 1e6]), Some(1.0), "only the order counts");
        assert_eq!(with(&[3.0, 2.0, 1.0]), Some(-1.0));
        // 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15)
        assert!((with(&[1.0, 3.0, 2.0, 4.0]).unwrap() - 0.8).abs() < 1e-12);
        // Ranks 1.5, 1.5, 3: 1.5 / sqrt(2 * 1.5).
        assert!((with(&[5.0, 5.0, 6.0]).unwrap() - 1.5 / 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(with(&[5.0, 5.0, 5.0]), Some(0.0), "what does not move follows nothing");
        assert_eq!(with(&[1.0, 2.0]), None);
    }
}
