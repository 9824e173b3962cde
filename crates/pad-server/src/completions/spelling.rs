//! What tokens spell, control tokens by their names.

use pad_text::Tokenizer;

/// The text of tokens; U+FFFD stands for bytes that make no character.
pub(crate) fn spelled(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.token_bytes(*token)).copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
