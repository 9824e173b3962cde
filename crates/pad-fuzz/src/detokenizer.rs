//! Tokens decoded one by one give the text of all of them together.

use pad_text::Detokenizer;

use crate::vocabulary::vocabulary;

/// Two bytes are a token, of which a few are in no vocabulary.
///
/// # Panics
/// Where the pieces joined are not the text of all bytes together.
pub fn check(data: &[u8]) {
    let tokenizer = vocabulary();
    let size = tokenizer.vocab_size() as u32 + 8;
    let tokens: Vec<u32> =
        data.chunks_exact(2).map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])) % size).collect();
    let told = tokens.iter().filter(|token| !tokenizer.is_special(**token));
    let bytes: Vec<u8> = told.flat_map(|token| tokenizer.token_bytes(*token)).copied().collect();
    let whole = String::from_utf8_lossy(&bytes);
    let mut detokenizer = Detokenizer::new(tokenizer);
    let mut text = String::new();
    for token in tokens {
        text.push_str(&detokenizer.push(token));
        assert!(whole.starts_with(&text), "{text:?} does not begin {whole:?}");
        assert!(detokenizer.is_midway() || detokenizer.clone().finish().is_empty(), "{text:?} is whole");
    }
    text.push_str(&detokenizer.finish());
    assert_eq!(text, whole);
    assert!(std::str::from_utf8(&bytes).is_err() || !text.contains(char::REPLACEMENT_CHARACTER) || has_sign(&bytes));
}

/// Whether the replacement character itself was written.
fn has_sign(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|three| three == "\u{FFFD}".as_bytes())
}
