//! One layer of the transformer.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::Tensor;
use pad_kernels::{
    AdaptedRows, AttentionRule, BatchView, FeedForward, HeadNorm, Input, KvLayout, Linear, Pool, RmsNorm, attention,
    write_kv,
};

use crate::layer_adapter::LayerAdapter;
use crate::mixture::Mixture;

/// A layer's weights; projections that read the same input are one matrix. Norms are there where the model has them.
#[derive(Debug)]
pub struct Layer {
    pub attention_norm: Option<RmsNorm>,
    pub rule: AttentionRule,
    /// Queries, keys and values.
    pub qkv: Linear,
    pub head_norm: Option<HeadNorm>,
    pub attention_output: Linear,
    pub attention_post_norm: Option<RmsNorm>,
    pub feed_forward_norm: Option<RmsNorm>,
    pub mixer: Mixer,
    pub feed_forward_post_norm: Option<RmsNorm>,
}

/// The part after attention.
#[derive(Debug)]
pub enum Mixer {
    /// One feed-forward part for all rows.
    Dense(FeedForward),
    /// A few of many for each row.
    Mixture(Mixture),
}

fn input(norm: Option<&RmsNorm>) -> Input<'_> {
    norm.map_or(Input::Plain, Input::Norm)
}

impl Layer {
    /// `x` `[rows, hidden]` through attention and the feed-forward part; `cache` receives the rows' keys and values. Each of
    /// `adapters` changes what the weights do to its rows.
    pub fn forward(
        &self,
        x: &Tensor,
        cache: &Tensor,
        layout: KvLayout,
        view: &BatchView,
        adapters: &[(Range<usize>, Cow<'_, LayerAdapter>)],
        pool: &Pool,
    ) -> candle_core::Result<Tensor> {
        let norm = input(self.attention_norm.as_ref());
        let mut qkv = self.qkv.forward(x, norm, None)?;
        for (rows, adapter) in adapters {
            qkv = adapter.qkv.add(qkv, x, norm, rows, pool)?;
        }
        if let Some(norm) = &self.head_norm {
            qkv = norm.forward(qkv, layout, pool)?;
        }
        write_kv(cache, &qkv, layout, &self.rule, view, pool)?;
        let attended = attention(&qkv, cache, layout, &self.rule, view, pool)?;
        // A norm behind the part comes before the sum.
        let post = self.attention_post_norm.as_ref();
        let mut given = self.attention_output.forward(&attended, Input::Plain, post.is_none().then_some(x))?;
        for (rows, adapter) in adapters {
            given = adapter.attention_output.add(given, &attended, Input::Plain, rows, pool)?;
        }
        let x = match post {
            None => given,
            Some(norm) => norm.add(&given, x, pool)?,
        };
        let norm = input(self.feed_forward_norm.as_ref());
        let post = self.feed_forward_post_norm.as_ref();
        let given = match &self.mixer {
            Mixer::Dense(feed_forward) => {
                let rows = adapters.iter().map(|(rows, adapter)| AdaptedRows {
                    span: rows.clone(),
                    gate_up: &adapter.gate_up,
                    down: &adapter.down,
                });
                let adapted: Vec<_> = rows.collect();
                feed_forward.forward(&x, norm, post.is_none(), &adapted)?
            }
            Mixer::Mixture(mixture) => {
                let given = mixture.forward(&x, norm)?;
                if post.is_none() { (given + &x)? } else { given }
            }
        };
        match post {
            None => Ok(given),
            Some(norm) => norm.add(&given, &x, pool),
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        let mixer = match &self.mixer {
            Mixer::Dense(feed_forward) => feed_forward.bytes(),
            Mixer::Mixture(mixture) => mixture.bytes(),
        };
        self.qkv.bytes() + self.attention_output.bytes() + mixer
    }
}
