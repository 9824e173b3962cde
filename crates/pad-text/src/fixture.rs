//! Tiny vocabularies for the tests.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::quantized::gguf_file::{Content, Value, VersionedMagic};

use crate::Tokenizer;
use crate::spelling::byte_level_char;

/// A file of the tests' data.
pub(crate) fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
}

/// A byte-level BPE vocabulary: three control tokens (ids 0, 1, 2), the 256 bytes, and the few
/// tokens that the merges make. `tests/data/tokenizer.json` holds the same.
pub(crate) fn byte_level_content() -> Content {
    let merges = ["t h", "th e", "i n", "e n", "en d", "Ġ the"];
    let specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
    let mut tokens: Vec<String> = specials.map(str::to_owned).into();
    tokens.extend((0..=255).map(|byte| byte_level_char(byte).to_string()));
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    let kinds = (0..tokens.len()).map(|id| if id < specials.len() { 3 } else { 1 });
    content([
        ("model", Value::String("gpt2".into())),
        ("pre", Value::String("smollm".into())),
        ("token_type", Value::Array(kinds.map(Value::I32).collect())),
        ("tokens", strings(tokens)),
        ("merges", strings(merges.map(str::to_owned))),
        ("bos_token_id", Value::U32(0)),
        ("eos_token_id", Value::U32(0)),
    ])
}

/// The tokenizer of [`byte_level_content`].
pub(crate) fn byte_level() -> Tokenizer {
    Tokenizer::from_gguf(&byte_level_content()).expect("the fixture is whole")
}

/// The token of a single byte in [`byte_level`].
pub(crate) fn byte_token(tokenizer: &Tokenizer, byte: u8) -> u32 {
    let token = byte_level_char(byte).to_string();
    tokenizer.token_id(&token).expect("every byte has a token")
}

/// A `SentencePiece` BPE vocabulary: three control tokens, the 256 bytes, a user-defined token,
/// and ordinary tokens of falling score.
pub(crate) fn sentencepiece_content(add_space_prefix: bool) -> Content {
    let pieces = ["▁th", "th", "he", "▁the", "▁", "t", "h", "e"];
    let mut entries: Vec<(String, i32, f32)> = Vec::new();
    entries.push(("<unk>".into(), 2, 0.0));
    entries.extend(["<s>", "</s>"].map(|token| (token.into(), 3, 0.0)));
    entries.extend((0..=255).map(|byte| (format!("<0x{byte:02X}>"), 6, 0.0)));
    entries.push(("[tool]".into(), 4, 0.0));
    let scored = pieces.into_iter().zip(1_u8..);
    entries.extend(scored.map(|(piece, rank)| (piece.to_owned(), 1, -f32::from(rank))));
    let column = |read: fn(&(String, i32, f32)) -> Value| Value::Array(entries.iter().map(read).collect());
    content([
        ("model", Value::String("llama".into())),
        ("tokens", column(|entry| Value::String(entry.0.clone()))),
        ("token_type", column(|entry| Value::I32(entry.1))),
        ("scores", column(|entry| Value::F32(entry.2))),
        ("add_space_prefix", Value::Bool(add_space_prefix)),
        ("unknown_token_id", Value::U32(0)),
        ("bos_token_id", Value::U32(1)),
        ("eos_token_id", Value::U32(2)),
    ])
}

/// The tokenizer of [`sentencepiece_content`].
pub(crate) fn sentencepiece(add_space_prefix: bool) -> Tokenizer {
    let content = sentencepiece_content(add_space_prefix);
    Tokenizer::from_gguf(&content).expect("the fixture is whole")
}

fn strings(values: impl IntoIterator<Item = String>) -> Value {
    Value::Array(values.into_iter().map(Value::String).collect())
}

fn content<const N: usize>(entries: [(&str, Value); N]) -> Content {
    let named = entries.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
    Content {
        magic: VersionedMagic::GgufV3,
        metadata: HashMap::from(named),
        tensor_infos: HashMap::new(),
        tensor_data_offset: 0,
    }
}
