//! Tokens to the text that they spell, control tokens by their names: what a [`crate::Detokenizer`] leaves out.

use crate::{Tokenizer, is_cut_character};

/// The text of tokens, control tokens by their names; U+FFFD replaces bytes that are not valid UTF-8.
pub fn spell(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.token_bytes(*token)).copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Spells tokens one by one: each gives the text that it completes, and joined they are the text of all.
#[derive(Clone, Debug)]
pub struct Speller<'a> {
    tokenizer: &'a Tokenizer,
    /// Bytes that begin a character.
    pending: Vec<u8>,
    /// The text begins without the space that its first token is spelled with.
    strip: bool,
}

impl<'a> Speller<'a> {
    /// A speller of the tokens of this text.
    pub fn new(tokenizer: &'a Tokenizer, text: &str) -> Self {
        Self { tokenizer, pending: Vec::new(), strip: !text.starts_with(' ') }
    }

    /// The next token.
    pub fn push(&mut self, token: u32) -> String {
        self.pending.extend_from_slice(self.tokenizer.token_bytes(token));
        if std::mem::take(&mut self.strip) && self.pending.first() == Some(&b' ') {
            self.pending.remove(0);
        }
        let (mut text, mut rest) = (String::new(), 0);
        for chunk in self.pending.utf8_chunks() {
            rest += chunk.valid().len() + chunk.invalid().len();
            text.push_str(chunk.valid());
            if is_cut_character(chunk.invalid()) && rest == self.pending.len() {
                rest -= chunk.invalid().len();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.pending.drain(..rest);
        text
    }

    /// The replacement for a character that was never completed.
    pub fn finish(&mut self) -> String {
        let pending = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&pending).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn tokens_spelled_one_by_one_are_spelled_together() {
        let tokenizer = fixture::byte_level();
        for bytes in [&b"a\xc3\xa9b"[..], b"\xf0\x9f\x98\x80", b"\xf0\x9fa", b"a\xc3", b"\xa9\xff\xe2\x82", b" b"] {
            let mut tokens: Vec<u32> = bytes.iter().map(|byte| fixture::byte_token(&tokenizer, *byte)).collect();
            tokens.insert(1, 2);
            let whole = spell(&tokenizer, &tokens);
            let mut speller = Speller::new(&tokenizer, &whole);
            let mut pieces: Vec<String> = tokens.iter().map(|token| speller.push(*token)).collect();
            pieces.push(speller.finish());
            assert_eq!(pieces.concat(), whole, "{bytes:?}");
        }
    }
}
