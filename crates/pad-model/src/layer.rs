//! One layer of the transformer.

use candle_core::Tensor;
use pad_kernels::{BatchView, FeedForward, Input, KvLayout, Linear, Pool, RmsNorm, attention, write_kv};

/// A layer's weights; projections that read the same input are one matrix.
#[derive(Debug)]
pub struct Layer {
    pub attention_norm: RmsNorm,
    /// Queries, keys and values.
    pub qkv: Linear,
    pub attention_output: Linear,
    pub feed_forward_norm: RmsNorm,
    pub feed_forward: FeedForward,
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
        self.feed_forward.forward(&x, &self.feed_forward_norm)
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.qkv.bytes() + self.attention_output.bytes() + self.feed_forward.bytes()
    }
}
