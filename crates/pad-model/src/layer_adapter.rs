//! What an adapter or a control vector adds to one layer.

use candle_core::Tensor;
use pad_kernels::LowRankStack;

/// What an adapter adds to one layer; empty stacks add nothing.
#[derive(Clone, Debug, Default)]
pub struct LayerAdapter {
    /// To queries, keys and values, stacked.
    pub(crate) qkv: LowRankStack,
    /// To attention's output.
    pub(crate) attention_output: LowRankStack,
    /// To gates and, behind them, ups.
    pub(crate) gate_up: LowRankStack,
    /// To the down projection.
    pub(crate) down: LowRankStack,
    /// To what the layer gives, times a lane's strength: `[1, hidden]`.
    pub(crate) direction: Option<Tensor>,
}

impl LayerAdapter {
    /// Whether it changes any of the layer's matrices.
    pub(crate) fn has_matrices(&self) -> bool {
        [&self.qkv, &self.attention_output, &self.gate_up, &self.down].into_iter().any(|stack| !stack.is_empty())
    }
}
