//! A Hugging Face folder of one of the families as the GGUF file that llama.cpp's converter makes of it.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device};
use serde_json::Value as Json;

use super::{GgufFile, Value};

/// Names of a layer's tensors: here, and in the GGUF file.
const NAMES: [(&str, &str); 22] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.gate", "ffn_gate_inp"),
    ("block_sparse_moe.gate", "ffn_gate_inp"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
    ("gate_proj", "ffn_gate_exps"),
    ("up_proj", "ffn_up_exps"),
    ("down_proj", "ffn_down_exps"),
    ("w1", "ffn_gate_exps"),
    ("w3", "ffn_up_exps"),
    ("w2", "ffn_down_exps"),
];

/// Number, shape and values of an expert's matrix.
type Expert = (usize, Vec<u64>, Vec<f32>);

pub fn convert(folder: &Path) -> GgufFile {
    let json: Json = serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    let kind = json["model_type"].as_str().unwrap();
    let architecture = match kind {
        "mistral" | "mixtral" => "llama",
        "gemma3_text" => "gemma3",
        "qwen3_moe" => "qwen3moe",
        other => other,
    };
    let mut file = GgufFile::default();
    header(&mut file, architecture, &json);
    let tensors = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let two_norms = tensors.keys().any(|name| name.contains("post_feedforward"));
    let mut experts: HashMap<String, Vec<Expert>> = HashMap::new();
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort();
    for name in names {
        let tensor = tensors[name].to_dtype(DType::F32).unwrap();
        let dims: Vec<u64> = tensor.dims().iter().map(|dim| *dim as u64).collect();
        let mut values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        if kind.starts_with("gemma") && name.contains("norm") {
            values.iter_mut().for_each(|value| *value += 1.0);
        }
        let (stem, end) = name.rsplit_once('.').unwrap();
        let whole = match stem {
            "model.embed_tokens" => Some("token_embd"),
            "model.norm" => Some("output_norm"),
            "lm_head" => Some("output"),
            _ => None,
        };
        if let Some(whole) = whole {
            file.tensor(&format!("{whole}.{end}"), &dims, values);
            continue;
        }
        let (layer, part) = stem.strip_prefix("model.layers.").unwrap().split_once('.').unwrap();
        if let Some((expert, matrix)) = part.split_once("experts.").and_then(|(_, rest)| rest.split_once('.')) {
            let to = format!("blk.{layer}.{}.weight", renamed(matrix));
            experts.entry(to).or_default().push((expert.parse().unwrap(), dims, values));
            continue;
        }
        let to = match part {
            "post_attention_layernorm" if two_norms => "post_attention_norm",
            "post_attention_layernorm" => "ffn_norm",
            part => renamed(part),
        };
        if matches!(architecture, "llama" | "smollm3") && matches!(to, "attn_q" | "attn_k") {
            let head = head_dim(&json);
            values = interleaved(&values, head, values.len() / dims[0] as usize);
        }
        file.tensor(&format!("blk.{layer}.{to}.{end}"), &dims, values);
    }
    for (name, mut all) in experts {
        all.sort_by_key(|(expert, ..)| *expert);
        let dims = [&[all.len() as u64], &all[0].1[..]].concat();
        file.tensor(&name, &dims, all.into_iter().flat_map(|(.., values)| values).collect());
    }
    file
}

fn renamed(part: &str) -> &'static str {
    NAMES.iter().find(|(here, _)| *here == part).unwrap_or_else(|| panic!("{part}")).1
}

fn head_dim(json: &Json) -> usize {
    let number = |key: &str| json[key].as_u64().map(|n| n as usize);
    number("head_dim").unwrap_or_else(|| number("hidden_size").unwrap() / number("num_attention_heads").unwrap())
}

/// Rows of heads from split rotary pairs to interleaved ones.
fn interleaved(values: &[f32], head: usize, width: usize) -> Vec<f32> {
    let rows = values.len() / width;
    let source = |row: usize| {
        let (start, at) = (row / head * head, row % head);
        start + at % 2 * head / 2 + at / 2
    };
    (0..rows).flat_map(|row| &values[source(row) * width..(source(row) + 1) * width]).copied().collect()
}

fn header(file: &mut GgufFile, architecture: &str, json: &Json) {
    file.set("general.architecture", Value::text(architecture));
    let key = |name: &str| format!("{architecture}.{name}");
    let mut count = |name: &str, from: &str| {
        if let Some(number) = json[from].as_u64() {
            file.set(&key(name), Value::U32(number as u32));
        }
    };
    count("block_count", "num_hidden_layers");
    count("context_length", "max_position_embeddings");
    count("embedding_length", "hidden_size");
    count("feed_forward_length", "intermediate_size");
    count("attention.head_count", "num_attention_heads");
    count("attention.head_count_kv", "num_key_value_heads");
    count("attention.sliding_window", "sliding_window");
    count("attention.sliding_window_pattern", "sliding_window_pattern");
    count("expert_count", "num_experts");
    count("expert_count", "num_local_experts");
    count("expert_used_count", "num_experts_per_tok");
    count("expert_feed_forward_length", "moe_intermediate_size");
    let head = head_dim(json) as u32;
    file.set(&key("attention.key_length"), Value::U32(head));
    file.set(&key("attention.value_length"), Value::U32(head));
    let mut number = |name: &str, value: &Json| {
        if let Some(number) = value.as_f64() {
            file.set(&key(name), Value::F32(number as f32));
        }
    };
    number("attention.layer_norm_rms_epsilon", &json["rms_norm_eps"]);
    number("attn_logit_softcapping", &json["attn_logit_softcapping"]);
    number("final_logit_softcapping", &json["final_logit_softcapping"]);
    let rope = &json["rope_parameters"];
    let rope = if rope["full_attention"].is_object() { &rope["full_attention"] } else { rope };
    number("rope.freq_base", &rope["rope_theta"]);
    let part = rope["partial_rotary_factor"].as_f64().unwrap_or(1.0);
    let dimensions = f64::from(head) * part;
    let context =
        json["original_max_position_embeddings"].as_u64().or(rope["original_max_position_embeddings"].as_u64());
    match rope["rope_type"].as_str() {
        Some("llama3") => file.tensor("rope_freqs.weight", &[u64::from(head) / 2], llama3(rope, head as usize)),
        Some("longrope") => {
            for name in ["long", "short"] {
                let factors = rope[format!("{name}_factor")].as_array().unwrap();
                let factors: Vec<f32> = factors.iter().map(|factor| factor.as_f64().unwrap() as f32).collect();
                file.tensor(&format!("rope_factors_{name}.weight"), &[factors.len() as u64], factors);
            }
        }
        Some(kind @ ("yarn" | "linear")) => {
            file.set(&key("rope.scaling.type"), Value::text(kind));
            file.set(&key("rope.scaling.factor"), Value::F32(rope["factor"].as_f64().unwrap() as f32));
            if let Some(beta) = rope["beta_fast"].as_f64() {
                file.set(&key("rope.scaling.yarn_beta_fast"), Value::F32(beta as f32));
            }
        }
        _ => {}
    }
    file.set(&key("rope.dimension_count"), Value::U32(dimensions as u32));
    if let Some(context) = context {
        file.set(&key("rope.scaling.original_context_length"), Value::U32(context as u32));
    }
}

/// The divisors of the frequencies, as the converter writes them.
fn llama3(rope: &Json, head: usize) -> Vec<f32> {
    let number = |key: &str| rope[key].as_f64().unwrap();
    let (factor, low, high) = (number("factor"), number("low_freq_factor"), number("high_freq_factor"));
    let original = number("original_max_position_embeddings");
    let divisor = |i: usize| {
        let wave = 2.0 * std::f64::consts::PI * number("rope_theta").powf((2 * i) as f64 / head as f64);
        if wave < original / high {
            1.0
        } else if wave > original / low {
            factor
        } else {
            let smooth = (original / wave - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    (0..head / 2).map(|i| divisor(i) as f32).collect()
}
