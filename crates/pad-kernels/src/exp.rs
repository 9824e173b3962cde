//! The exponential as a polynomial: plain arithmetic that the compiler turns into vector instructions.

/// `e^x` with a relative error under 2e-7 for `x` in [-87, 88]; 0 below that.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // e^x = 2^n e^r with n the nearest integer to x / ln 2; ln 2 in two parts keeps r exact. The magic constant rounds.
    const MAGIC: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = clamped - n * 0.693_359_4 - n * -2.121_944_4e-4;
    // Taylor's coefficients adjusted for the interval (Cephes, expf).
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    let scale = f32::from_bits(((shifted.to_bits() << 23).wrapping_add(127 << 23)) & 0x7fff_ffff);
    if x < -87.0 { 0.0 } else { e * scale }
}

/// `x * sigmoid(x)`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// GELU in its tanh form, `x / 2 (1 + tanh u)` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`, which is `x * sigmoid(2 u)`.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    const TWICE_ROOT: f32 = 1.595_769;
    x / (1.0 + exp(-TWICE_ROOT * (x + 0.044_715 * x * x * x)))
}

/// `cap * tanh(x / cap)`; its absolute error is under `2e-7 * cap`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub fn soft_cap(x: f32, cap: f32) -> f32 {
    cap - 2.0 * cap / (1.0 + exp(2.0 * x / cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_and_gelu_are_close_to_the_library() {
        for i in -9000..9000 {
            let x = i as f32 / 100.0;
            assert!((soft_cap(x, 30.0) - 30.0 * (x / 30.0).tanh()).abs() < 6e-6, "{x}");
            let u = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            assert!((gelu_tanh(x) - 0.5 * x * (1.0 + u.tanh())).abs() < 2e-6 * x.abs().max(1.0), "{x}");
        }
        assert_eq!((soft_cap(1e9, 50.0), soft_cap(-1e9, 50.0), soft_cap(0.0, 50.0)), (50.0, -50.0, 0.0));
    }

    #[test]
    fn close_to_the_library() {
        let mut worst = 0.0_f64;
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0;
            let want = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - want) / want).abs());
        }
        assert!(worst < 2e-7, "{worst:e}");
    }

    #[test]
    fn the_ends() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(200.0).is_finite());
        assert!((silu(1.0) - 0.731_058_6).abs() < 1e-6);
        assert!(silu(-100.0).abs() < 1e-30);
    }
}
