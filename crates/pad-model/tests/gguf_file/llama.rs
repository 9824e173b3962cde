//! A small model of Llama's kind.

use super::{GgufFile, Value};

/// 8 heads, vocabulary 64, one layer.
pub fn llama(hidden: u32, intermediate: u32) -> GgufFile {
    let mut file = GgufFile::default();
    file.set("general.architecture", Value::text("llama"));
    for (key, value) in [
        ("attention.head_count", 8),
        ("embedding_length", hidden),
        ("feed_forward_length", intermediate),
        ("block_count", 1),
        ("context_length", 128),
    ] {
        file.set(&format!("llama.{key}"), Value::U32(value));
    }
    file.set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    let mut tensor = |name: &str, dims: &[u64]| {
        let len = dims.iter().product::<u64>() as usize;
        file.tensor(name, dims, (0..len).map(|i| (i % 13) as f32 / 13.0 - 0.5).collect());
    };
    let (hidden, intermediate) = (u64::from(hidden), u64::from(intermediate));
    tensor("token_embd.weight", &[64, hidden]);
    tensor("output_norm.weight", &[hidden]);
    for (name, dims) in [
        ("attn_norm", &[hidden][..]),
        ("attn_q", &[hidden, hidden]),
        ("attn_k", &[hidden, hidden]),
        ("attn_v", &[hidden, hidden]),
        ("attn_output", &[hidden, hidden]),
        ("ffn_norm", &[hidden]),
        ("ffn_gate", &[intermediate, hidden]),
        ("ffn_up", &[intermediate, hidden]),
        ("ffn_down", &[hidden, intermediate]),
    ] {
        tensor(&format!("blk.0.{name}.weight"), dims);
    }
    file
}
