//! One layer of the transformer.

use candle_core::Tensor;
use pad_kernels::{BatchView, Input, KvLayout, Linear, Pool, RmsNorm, attention, write_kv};

/// A layer's weights; projections that read the same input are one matrix.
#[derive(Debug)]
pub struct Layer {
    pub attention_norm: RmsNorm,
    /// Queries, keys and values.
    pub qkv: Linear,
    pub attention_output: Linear,
    pub feed_forward_norm: RmsNorm,
    /// Gates, then ups.
    pub gate_up: Linear,
    pub down: Linear,
}

impl Layer {
    /// `x` `[rows, hidden]` through attention and the feed-forward part; `cache` receives the rows' keys and values.
    pub fn forward(
        &self,
        x: &Tensor,
        cache: &Tensor,
        layout: KvLayout,
        view: &BatchView,
        pool: &Pool,
    ) -> candle_core::Result<Tensor> {
        let qkv = self.qkv.forward(x, Input::Norm(&self.attention_norm), None)?;
        write_kv(cache, &qkv, layout, view, pool)?;
        let attended = attention(&qkv, cache, layout, view, pool)?;
        let x = self.attention_output.forward(&attended, Input::Plain, Some(x))?;
        let gate_up = self.gate_up.forward(&x, Input::Norm(&self.feed_forward_norm), None)?;
        self.down.forward(&gate_up, Input::SwiGlu, Some(&x))
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        [&self.qkv, &self.attention_output, &self.gate_up, &self.down].iter().map(|linear| linear.bytes()).sum()
    }
}
