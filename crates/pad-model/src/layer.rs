//! One layer of the transformer.

use std::ops::Range;

use candle_core::Tensor;
use pad_kernels::{
    AdaptedRows, AttentionRule, BatchView, FeedForward, Input, KvLayout, Linear, Pool, RmsNorm, attention, write_kv,
};

use crate::adapter::LayerAdapter;

/// A layer's weights; projections that read the same input are one matrix.
#[derive(Debug)]
pub struct Layer {
    pub attention_norm: RmsNorm,
    pub rule: AttentionRule,
    /// Queries, keys and values.
    pub qkv: Linear,
    pub attention_output: Linear,
    pub feed_forward_norm: RmsNorm,
    pub feed_forward: FeedForward,
}

impl Layer {
    /// `x` `[rows, hidden]` through attention and the feed-forward part; `cache` receives the rows' keys and values. Each of
    /// `adapters` changes what the weights do to its rows.
    pub fn forward<'a>(
        &self,
        x: &Tensor,
        cache: &Tensor,
        layout: KvLayout,
        view: &BatchView,
        adapters: &[(Range<usize>, &'a LayerAdapter)],
        pool: &Pool,
    ) -> candle_core::Result<Tensor> {
        let norm = Input::Norm(&self.attention_norm);
        let mut qkv = self.qkv.forward(x, norm, None)?;
        for (rows, adapter) in adapters {
            qkv = adapter.qkv.add(qkv, x, norm, rows, pool)?;
        }
        write_kv(cache, &qkv, layout, &self.rule, view, pool)?;
        let attended = attention(&qkv, cache, layout, &self.rule, view, pool)?;
        let mut x = self.attention_output.forward(&attended, Input::Plain, Some(x))?;
        for (rows, adapter) in adapters {
            x = adapter.attention_output.add(x, &attended, Input::Plain, rows, pool)?;
        }
        let adapted = |(rows, adapter): &(Range<usize>, &'a LayerAdapter)| AdaptedRows {
            span: rows.clone(),
            gate_up: &adapter.gate_up,
            down: &adapter.down,
        };
        let adapted: Vec<_> = adapters.iter().map(adapted).collect();
        self.feed_forward.forward(&x, Input::Norm(&self.feed_forward_norm), true, &adapted)
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.qkv.bytes() + self.attention_output.bytes() + self.feed_forward.bytes()
    }
}
