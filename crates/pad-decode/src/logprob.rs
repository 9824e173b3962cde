//! Log-probabilities over the candidates, and the divergence between two such distributions.

/// Log-softmax: `x_j - log sum_i exp(x_i)`, shifted by the largest value so that nothing overflows.
pub fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - max).exp()).sum();
    let log_sum = sum.ln();
    logits.iter().map(|&x| (f64::from(x - max) - log_sum) as f32).collect()
}

/// Softmax of `x / temperature` in f64, summing to 1.
pub fn softmax(x: &[f32], temperature: f32) -> Vec<f64> {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = x.iter().map(|&v| (f64::from(v - max) / f64::from(temperature)).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

/// KL(softmax(x) || softmax(y)) in nats, never negative.
///
/// The logarithms come from the scores and not from the probabilities, which may underflow.
pub fn kl(x: &[f32], y: &[f32]) -> f32 {
    let (log_p, log_q) = (log_softmax(x), log_softmax(y));
    let sum: f64 = log_p
        .iter()
        .zip(&log_q)
        .filter(|(p, _)| **p > f32::NEG_INFINITY)
        .map(|(&p, &q)| f64::from(p).exp() * (f64::from(p) - f64::from(q)))
        .sum();
    sum.max(0.0) as f32
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact by construction")]
mod tests {
    use super::*;

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} is not {b:?}");
    }

    #[test]
    fn log_softmax_by_hand() {
        // exp of the logits is 1, 2, 5: probabilities 1/8, 2/8, 5/8.
        let logits = [0.0, 2f32.ln(), 5f32.ln()];
        close(&log_softmax(&logits), &[0.125f32.ln(), 0.25f32.ln(), 0.625f32.ln()]);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        close(&log_softmax(&[1000.0, 1000.0]), &[0.5f32.ln(), 0.5f32.ln()]);
        assert_eq!(log_softmax(&[0.0, f32::NEG_INFINITY]), [0.0, f32::NEG_INFINITY]);
    }

    #[test]
    fn softmax_divides_by_the_temperature() {
        // At temperature 0.5 the odds 1:3 become 1:9.
        let p = softmax(&[0.0, 3f32.ln()], 0.5);
        assert!((p[0] - 0.1).abs() < 1e-6 && (p[1] - 0.9).abs() < 1e-6, "{p:?}");
    }

    #[test]
    fn kl_by_hand() {
        // KL((3/4, 1/4) || (1/2, 1/2)) = 3/4 ln(3/2) + 1/4 ln(1/2).
        let expected = 0.75 * 1.5f32.ln() + 0.25 * 0.5f32.ln();
        assert!((kl(&[3f32.ln(), 0.0], &[0.0, 0.0]) - expected).abs() < 1e-6);
        assert_eq!(kl(&[0.3, -2.0], &[0.3, -2.0]), 0.0);
    }

    #[test]
    fn kl_of_an_impossible_token_adds_nothing() {
        let expected = 0.75 * 1.5f32.ln() + 0.25 * 0.5f32.ln();
        let kl = kl(&[3f32.ln(), 0.0, f32::NEG_INFINITY], &[0.0, 0.0, f32::NEG_INFINITY]);
        assert!((kl - expected).abs() < 1e-6, "{kl}");
    }
}
