//! The activation functions of the gates in a feed-forward part.

use candle_core::{Result, Tensor};

use crate::exp::{exp, gelu_tanh, silu};

/// The function of a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// `x * sigmoid(x)`.
    #[default]
    Silu,
    /// GELU in its tanh form.
    GeluTanh,
}

impl Gate {
    /// Its value at `x`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
    pub fn at(self, x: f32) -> f32 {
        match self {
            Self::Silu => silu(x),
            Self::GeluTanh => gelu_tanh(x),
        }
    }

    /// Its derivative at `x`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
    pub(crate) fn slope(self, x: f32) -> f32 {
        // Both are x * sigmoid(v) with another v.
        let (v, dv) = match self {
            Self::Silu => (x, 1.0),
            Self::GeluTanh => (1.595_769 * (x + 0.044_715 * x * x * x), 1.595_769 * (1.0 + 0.134_145 * x * x)),
        };
        let sigmoid = 1.0 / (1.0 + exp(-v));
        sigmoid + x * sigmoid * (1.0 - sigmoid) * dv
    }

    /// The twin: plain candle, on any device.
    ///
    /// # Errors
    /// If candle refuses the tensor.
    pub fn twin(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => x.silu(),
            Self::GeluTanh => x.gelu(),
        }
    }
}
