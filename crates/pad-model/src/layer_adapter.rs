//! What an adapter or a control vector adds to one layer.

use std::borrow::Cow;

use candle_core::Tensor;
use pad_kernels::LowRankStack;

use crate::Strength;

/// What an adapter adds to one layer; empty stacks add nothing.
#[derive(Clone, Debug, Default)]
pub struct LayerAdapter {
    /// To queries, keys and values, stacked.
    pub qkv: LowRankStack,
    /// To attention's output.
    pub attention_output: LowRankStack,
    /// To gates and, behind them from [`pad_kernels::FeedForward::padded`] on, ups.
    pub gate_up: LowRankStack,
    /// To the down projection.
    pub down: LowRankStack,
    /// To what the layer gives, times a lane's strength: `[1, hidden]`.
    pub direction: Option<Tensor>,
}

impl LayerAdapter {
    /// Whether it changes any of the layer's matrices.
    pub(crate) fn has_matrices(&self) -> bool {
        self.stacks().into_iter().any(|stack| !stack.is_empty())
    }

    /// The same with the weights that a lane gives the cores, if it does.
    pub(crate) fn at(&self, strength: &Strength) -> Cow<'_, Self> {
        let Some(weights) = strength.weights() else { return Cow::Borrowed(self) };
        let [qkv, attention_output, gate_up, down] = self.stacks().map(|stack| stack.mixed(&weights));
        Cow::Owned(Self { qkv, attention_output, gate_up, down, direction: self.direction.clone() })
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let direction = self.direction.as_ref().map_or(0, |d| d.elem_count() * d.dtype().size_in_bytes());
        self.stacks().into_iter().map(LowRankStack::bytes).sum::<usize>() + direction
    }

    fn stacks(&self) -> [&LowRankStack; 4] {
        [&self.qkv, &self.attention_output, &self.gate_up, &self.down]
    }
}
