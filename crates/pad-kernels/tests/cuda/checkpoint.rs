//! Small checkpoints of families, read for the kernels: what `pad-model` reads, as far as these tests need it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use half::bf16;
use pad_kernels::device::StoredAs;
use pad_kernels::{AttentionRule, Gate, KvLayout, Rope, RopeScaling};
use serde_json::Value;

use crate::memory::Buffer;
use crate::random::values;

/// A matrix where kernels reach it.
pub struct Matrix {
    pub stored: StoredAs,
    pub weights: Buffer<u8>,
    pub outputs: usize,
    pub inputs: usize,
}

impl Matrix {
    fn new(stored: StoredAs, parts: &[&Tensor]) -> Self {
        let whole = Tensor::cat(parts, 0).unwrap();
        let (outputs, inputs) = whole.dims2().unwrap();
        let bytes: Vec<u8> = match stored {
            StoredAs::Bf16 => values(&whole).iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            _ => values(&whole).iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        Self { stored, weights: Buffer::of(&bytes), outputs, inputs }
    }
}

/// A layer; norms are there where the family has them.
pub struct Layer {
    pub norm: Option<Buffer<f32>>,
    pub qkv: Matrix,
    pub qkv_bias: Option<Buffer<f32>>,
    /// Of queries and of keys.
    pub head_norms: Option<[Buffer<f32>; 2]>,
    pub output: Matrix,
    pub post_norm: Option<Buffer<f32>>,
    pub feed_forward_norm: Option<Buffer<f32>>,
    pub gate_up: Matrix,
    pub down: Matrix,
    pub feed_forward_post_norm: Option<Buffer<f32>>,
    pub rule: AttentionRule,
    pub rope: Rope,
}

pub struct Checkpoint {
    pub layout: KvLayout,
    pub hidden: usize,
    pub width: usize,
    pub vocabulary: usize,
    pub eps: f32,
    /// Added to every norm's weights.
    pub norm_offset: f32,
    pub gate: Gate,
    pub embedding_scale: f32,
    pub logit_cap: Option<f32>,
    pub embedding: Matrix,
    pub unembedding: Option<Matrix>,
    pub norm: Buffer<f32>,
    pub layers: Vec<Layer>,
    pub prompts: Vec<Vec<u32>>,
    /// `[prompt][position][vocabulary]`.
    pub logits: Vec<Vec<Vec<f32>>>,
}

struct Reader {
    tensors: HashMap<String, Tensor>,
    config: Value,
    stored: StoredAs,
}

impl Reader {
    fn number(&self, name: &str) -> Option<f64> {
        self.config.get(name).and_then(Value::as_f64)
    }

    fn size(&self, name: &str) -> usize {
        self.number(name).unwrap() as usize
    }

    fn vector(&self, name: &str) -> Option<Buffer<f32>> {
        self.tensors.get(name).map(|tensor| Buffer::of(&values(tensor)))
    }

    fn matrix(&self, names: &[String]) -> Matrix {
        let parts: Vec<&Tensor> = names.iter().filter_map(|name| self.tensors.get(name)).collect();
        Matrix::new(self.stored, &parts)
    }

    fn rope(&self, kind: &str, dim: usize) -> Rope {
        let whole = &self.config["rope_parameters"];
        let rope = whole.get(kind).unwrap_or(whole);
        let number = |name: &str| rope[name].as_f64().unwrap() as f32;
        let scaling = match rope["rope_type"].as_str() {
            Some("llama3") => RopeScaling::Llama3 {
                factor: number("factor"),
                low_freq_factor: number("low_freq_factor"),
                high_freq_factor: number("high_freq_factor"),
                original_context: number("original_max_position_embeddings"),
            },
            _ => RopeScaling::None,
        };
        Rope::new(dim, number("rope_theta"), &scaling)
    }

    fn layer(&self, i: usize, layout: KvLayout) -> Layer {
        let name = |part: &str| format!("model.layers.{i}.{part}.weight");
        let family = self.config["model_type"].as_str().unwrap();
        let names = |parts: &[&str]| parts.iter().map(|part| name(part)).collect::<Vec<_>>();
        let projections = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
        let biases: Vec<&Tensor> =
            projections.iter().filter_map(|part| self.tensors.get(&format!("model.layers.{i}.{part}.bias"))).collect();
        let biases = (!biases.is_empty()).then(|| values(&Tensor::cat(&biases, 0).unwrap()));
        let head_norms = self.vector(&name("self_attn.q_norm")).zip(self.vector(&name("self_attn.k_norm")));
        let (four, after) = (family.starts_with("gemma2") || family.starts_with("gemma3"), family == "olmo2");
        let kind = self.config["layer_types"].get(i).and_then(Value::as_str).unwrap_or("sliding_attention");
        let window = self.number("sliding_window").filter(|_| kind == "sliding_attention");
        let has_rope = self.config["no_rope_layers"].get(i).is_none_or(|kept| kept == 1);
        let scale = self.number("query_pre_attn_scalar").unwrap_or(layout.head_dim as f64);
        Layer {
            norm: self.vector(&name("input_layernorm")),
            qkv: self.matrix(&names(&[&projections[..], &["self_attn.qkv_proj"]].concat())),
            qkv_bias: biases.map(|biases| Buffer::of(&biases)),
            head_norms: head_norms.map(|(queries, keys)| [queries, keys]),
            output: self.matrix(&names(&["self_attn.o_proj"])),
            post_norm: self.vector(&name("post_attention_layernorm")).filter(|_| four || after),
            feed_forward_norm: self
                .vector(&name(if four { "pre_feedforward_layernorm" } else { "post_attention_layernorm" }))
                .filter(|_| !after),
            gate_up: self.matrix(&names(&["mlp.gate_proj", "mlp.up_proj", "mlp.gate_up_proj"])),
            down: self.matrix(&names(&["mlp.down_proj"])),
            feed_forward_post_norm: self.vector(&name("post_feedforward_layernorm")),
            rule: AttentionRule {
                rope: has_rope.then_some(0),
                scale: 1.0 / (scale as f32).sqrt(),
                soft_cap: self.number("attn_logit_softcapping").map(|cap| cap as f32),
                window: window.and_then(|window| NonZeroUsize::new(window as usize)),
            },
            rope: self.rope(kind, layout.head_dim),
        }
    }
}

/// Reads a family with its matrices stored like this.
pub fn read(family: &str, stored: StoredAs) -> Checkpoint {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(family);
    let json =
        |name: &str| -> Value { serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap() };
    let tensors = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let reader = Reader { tensors, config: json("config.json"), stored };
    let (hidden, heads) = (reader.size("hidden_size"), reader.size("num_attention_heads"));
    let head_dim = reader.number("head_dim").map_or(hidden / heads, |dim| dim as usize);
    let layout = KvLayout { heads, kv_heads: reader.size("num_key_value_heads"), head_dim };
    let is_gemma = reader.config["model_type"].as_str().unwrap().starts_with("gemma");
    let unembedding = reader.tensors.get("lm_head.weight").map(|weights| Matrix::new(stored, &[weights]));
    let golden = json("golden.json");
    Checkpoint {
        layout,
        hidden,
        width: reader.size("intermediate_size"),
        vocabulary: reader.size("vocab_size"),
        eps: reader.number("rms_norm_eps").unwrap() as f32,
        norm_offset: if is_gemma { 1.0 } else { 0.0 },
        gate: if is_gemma { Gate::GeluTanh } else { Gate::Silu },
        embedding_scale: if is_gemma { (hidden as f32).sqrt() } else { 1.0 },
        logit_cap: reader.number("final_logit_softcapping").map(|cap| cap as f32),
        embedding: reader.matrix(&["model.embed_tokens.weight".to_owned()]),
        unembedding,
        norm: reader.vector("model.norm.weight").unwrap(),
        layers: (0..reader.size("num_hidden_layers")).map(|i| reader.layer(i, layout)).collect(),
        prompts: serde_json::from_value(golden["prompts"].clone()).unwrap(),
        logits: serde_json::from_value(golden["logits"].clone()).unwrap(),
    }
}
