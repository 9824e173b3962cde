//! One layer of the transformer.

use candle_core::Tensor;
use pad_kernels::{BatchView, Gated, Input, KvLayout, Linear, Pool, RmsNorm, attention, write_kv};

/// A layer's weights; projections that read the same input are one matrix.
#[derive(Debug)]
pub struct Layer {
    pub attention_norm: RmsNorm,
    /// Queries, keys and values.
    pub qkv: Linear,
    pub attention_output: Linear,
    pub feed_forward_norm: RmsNorm,
    pub gate_up: Gated,
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
        let gated = self.gate_up.forward(&x, Input::Norm(&self.feed_forward_norm))?;
        self.down.forward(&gated, Input::Plain, Some(&x))
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        let linears = [&self.qkv, &self.attention_output, &self.down];
        linears.iter().map(|linear| linear.bytes()).sum::<usize>() + self.gate_up.bytes()
    }
}
