//! Expectations under a normal distribution, by the trapezoidal rule, which is exact to rounding for smooth functions of moderate slope.

/// Distance of two points, in standard deviations.
const STEP: f64 = 0.0625;

/// Points on either side of the mean.
const POINTS: i32 = 128;

/// The mean of `function` over a normal distribution.
pub(crate) fn expectation(mean: f64, variance: f64, function: impl Fn(f64) -> f64) -> f64 {
    let deviation = variance.max(0.0).sqrt();
    let (mut sum, mut total) = (0.0, 0.0);
    for point in -POINTS..=POINTS {
        let z = f64::from(point) * STEP;
        let density = (-z * z / 2.0).exp();
        total += density;
        sum += density * function(mean + deviation * z);
    }
    sum / total
}

/// The logistic function.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The probability that a standard normal number is below `z`, to about 1e-7 (Abramowitz and Stegun, 26.2.17).
pub(crate) fn below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let polynomial = series.iter().rev().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let above = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial;
    if z < 0.0 { above } else { 1.0 - above }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_expectations() {
        assert!((expectation(2.0, 9.0, |x| x) - 2.0).abs() < 1e-12);
        assert!((expectation(2.0, 9.0, |x| x * x) - 13.0).abs() < 1e-9);
        assert!((expectation(0.0, 50.0, sigmoid) - 0.5).abs() < 1e-12);
        assert!((expectation(0.7, 0.0, sigmoid) - sigmoid(0.7)).abs() < 1e-12);
        // The mean of exp(x) is exp(mean + variance / 2).
        assert!((expectation(0.5, 1.0, f64::exp) - 1.0_f64.exp()).abs() < 1e-9);
    }

    #[test]
    fn known_probabilities() {
        for (z, expected) in [(0.0, 0.5), (1.0, 0.841_344_746), (-1.0, 0.158_655_254), (1.644_853_627, 0.95)] {
            assert!((below(z) - expected).abs() < 1e-6, "{z}: {}", below(z));
        }
    }
}
