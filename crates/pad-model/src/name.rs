//! The parts of a checkpoint and their names in the two dialects.

/// A tensor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerPart {
    /// Norm before attention, `[hidden]`.
    AttentionNorm,
    /// Queries, `[heads * head_dim, hidden]`.
    Query,
    /// Keys, `[kv_heads * head_dim, hidden]`.
    Key,
    /// Values, `[kv_heads * head_dim, hidden]`.
    Value,
    /// Attention's output, `[hidden, heads * head_dim]`.
    AttentionOutput,
    /// Norm before the feed-forward part, `[hidden]`.
    FeedForwardNorm,
    /// Gates, `[intermediate, hidden]`.
    Gate,
    /// `[intermediate, hidden]`.
    Up,
    /// `[hidden, intermediate]`.
    Down,
}

/// A tensor of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Token embeddings, `[vocabulary, hidden]`.
    Embedding,
    /// Norm after the last layer, `[hidden]`.
    OutputNorm,
    /// `[vocabulary, hidden]`; absent where it is tied to the embeddings.
    Unembedding,
    /// A tensor of layer `.0`.
    Layer(usize, LayerPart),
}

impl Part {
    /// The name in a Hugging Face checkpoint, without `.weight` or `.bias`.
    pub fn hugging_face(self) -> String {
        let Self::Layer(layer, part) = self else {
            return match self {
                Self::Embedding => "model.embed_tokens",
                Self::OutputNorm => "model.norm",
                _ => "lm_head",
            }
            .to_owned();
        };
        let part = match part {
            LayerPart::AttentionNorm => "input_layernorm",
            LayerPart::Query => "self_attn.q_proj",
            LayerPart::Key => "self_attn.k_proj",
            LayerPart::Value => "self_attn.v_proj",
            LayerPart::AttentionOutput => "self_attn.o_proj",
            LayerPart::FeedForwardNorm => "post_attention_layernorm",
            LayerPart::Gate => "mlp.gate_proj",
            LayerPart::Up => "mlp.up_proj",
            LayerPart::Down => "mlp.down_proj",
        };
        format!("model.layers.{layer}.{part}")
    }

    /// The name in a GGUF file, without `.weight` or `.bias`.
    pub fn gguf(self) -> String {
        let Self::Layer(layer, part) = self else {
            return match self {
                Self::Embedding => "token_embd",
                Self::OutputNorm => "output_norm",
                _ => "output",
            }
            .to_owned();
        };
        let part = match part {
            LayerPart::AttentionNorm => "attn_norm",
            LayerPart::Query => "attn_q",
            LayerPart::Key => "attn_k",
            LayerPart::Value => "attn_v",
            LayerPart::AttentionOutput => "attn_output",
            LayerPart::FeedForwardNorm => "ffn_norm",
            LayerPart::Gate => "ffn_gate",
            LayerPart::Up => "ffn_up",
            LayerPart::Down => "ffn_down",
        };
        format!("blk.{layer}.{part}")
    }
}
