//! The parts of a checkpoint and their names in the two dialects.

/// A tensor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerPart {
    /// Norm before attention, `[hidden]`.
    AttentionNorm,
    /// Norm behind attention, `[hidden]`.
    AttentionPostNorm,
    /// Queries, `[heads * head_dim, hidden]`.
    Query,
    /// Keys, `[kv_heads * head_dim, hidden]`.
    Key,
    /// Values, `[kv_heads * head_dim, hidden]`.
    Value,
    /// Norm of queries, `[head_dim]` or `[heads * head_dim]`.
    QueryNorm,
    /// Norm of keys, `[head_dim]` or `[kv_heads * head_dim]`.
    KeyNorm,
    /// Attention's output, `[hidden, heads * head_dim]`.
    AttentionOutput,
    /// Norm before the feed-forward part, `[hidden]`.
    FeedForwardNorm,
    /// Norm behind the feed-forward part, `[hidden]`.
    FeedForwardPostNorm,
    /// Gates, `[intermediate, hidden]`.
    Gate,
    /// `[intermediate, hidden]`.
    Up,
    /// `[hidden, intermediate]`.
    Down,
    /// What gives rows to experts, `[experts, hidden]`.
    Router,
    /// Gates of an expert, `[intermediate, hidden]`.
    ExpertGate(usize),
    /// `[intermediate, hidden]` of an expert.
    ExpertUp(usize),
    /// `[hidden, intermediate]` of an expert.
    ExpertDown(usize),
}

/// Which of a part's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartTensor {
    /// Its weight.
    Weight,
    /// Its bias.
    Bias,
}

impl PartTensor {
    /// The end of its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
        }
    }

    /// How many of the weight's dimensions it has at most.
    pub(crate) fn dimensions(self) -> usize {
        match self {
            Self::Weight => 2,
            Self::Bias => 1,
        }
    }
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
        let expert = |expert, name| format!("model.layers.{layer}.mlp.experts.{expert}.{name}");
        let part = match part {
            LayerPart::AttentionNorm => "input_layernorm",
            LayerPart::Query => "self_attn.q_proj",
            LayerPart::Key => "self_attn.k_proj",
            LayerPart::Value => "self_attn.v_proj",
            LayerPart::QueryNorm => "self_attn.q_norm",
            LayerPart::KeyNorm => "self_attn.k_norm",
            LayerPart::AttentionOutput => "self_attn.o_proj",
            // Before families normalised behind a part too, this was the name of the norm before the next.
            LayerPart::FeedForwardNorm | LayerPart::AttentionPostNorm => "post_attention_layernorm",
            LayerPart::FeedForwardPostNorm => "post_feedforward_layernorm",
            LayerPart::Gate => "mlp.gate_proj",
            LayerPart::Up => "mlp.up_proj",
            LayerPart::Down => "mlp.down_proj",
            LayerPart::Router => "mlp.gate",
            LayerPart::ExpertGate(e) => return expert(e, "gate_proj"),
            LayerPart::ExpertUp(e) => return expert(e, "up_proj"),
            LayerPart::ExpertDown(e) => return expert(e, "down_proj"),
        };
        format!("model.layers.{layer}.{part}")
    }

    /// The name in a GGUF file, without `.weight` or `.bias`. All experts of a layer are one tensor.
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
            LayerPart::AttentionPostNorm => "post_attention_norm",
            LayerPart::Query => "attn_q",
            LayerPart::Key => "attn_k",
            LayerPart::Value => "attn_v",
            LayerPart::QueryNorm => "attn_q_norm",
            LayerPart::KeyNorm => "attn_k_norm",
            LayerPart::AttentionOutput => "attn_output",
            LayerPart::FeedForwardNorm => "ffn_norm",
            LayerPart::FeedForwardPostNorm => "post_ffw_norm",
            LayerPart::Gate => "ffn_gate",
            LayerPart::Up => "ffn_up",
            LayerPart::Down => "ffn_down",
            LayerPart::Router => "ffn_gate_inp",
            LayerPart::ExpertGate(_) => "ffn_gate_exps",
            LayerPart::ExpertUp(_) => "ffn_up_exps",
            LayerPart::ExpertDown(_) => "ffn_down_exps",
        };
        format!("blk.{layer}.{part}")
    }
}
