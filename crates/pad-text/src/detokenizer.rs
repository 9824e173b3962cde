//! Generated tokens to text, one at a time.

use std::sync::Arc;

use crate::{Tokenizer, is_cut_character};

/// Turns a stream of tokens into text.
///
/// A character can be spread over several tokens (an emoji often is), so bytes are held back
/// until they make whole characters. The texts of all calls, joined, are the bytes of all
/// tokens read as UTF-8, with U+FFFD for what is not UTF-8.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    /// The beginning of a character: at most three bytes.
    held: Vec<u8>,
}

impl Detokenizer {
    /// A detokenizer at the start of a text.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, held: Vec::new() }
    }

    /// The text that a token completes; empty while its bytes are held back. A special token
    /// gives no text.
    pub fn push(&mut self, token: u32) -> String {
        if self.tokenizer.is_special(token) {
            return String::new();
        }
        self.held.extend_from_slice(self.tokenizer.token_bytes(token));
        let mut text = String::with_capacity(self.held.len());
        let mut unfinished = 0;
        let mut chunks = self.held.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunks.peek().is_none() && is_cut_character(chunk.invalid()) {
                unfinished = chunk.invalid().len();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.held.drain(..self.held.len() - unfinished);
        text
    }

    /// The text that a token would complete if it came next; a special token's name.
    pub fn spelled(&self, token: u32) -> String {
        if self.tokenizer.is_special(token) {
            return String::from_utf8_lossy(self.tokenizer.token_bytes(token)).into_owned();
        }
        self.clone().push(token)
    }

    /// Whether the last token left a character incomplete.
    pub fn is_midway(&self) -> bool {
        !self.held.is_empty()
    }

    /// The end of the text: bytes still held back never became a character and give U+FFFD.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    /// Tokens of single bytes: any way to cut a text into tokens is at most as fine.
    fn byte_tokens(tokenizer: &Tokenizer, bytes: &[u8]) -> Vec<u32> {
        bytes.iter().map(|&b| fixture::byte_token(tokenizer, b)).collect()
    }

    fn texts(tokenizer: &Arc<Tokenizer>, tokens: &[u32]) -> Vec<String> {
        let mut detokenizer = Detokenizer::new(Arc::clone(tokenizer));
        let mut texts: Vec<String> = tokens.iter().map(|&id| detokenizer.push(id)).collect();
        texts.push(detokenizer.finish());
        texts
    }

    #[test]
    fn an_emoji_comes_whole() {
        let tokenizer = Arc::new(fixture::byte_level());
        let tokens = byte_tokens(&tokenizer, "a😀b".as_bytes());
        assert_eq!(texts(&tokenizer, &tokens), ["a", "", "", "", "😀", "b", ""]);
        let mut detokenizer = Detokenizer::new(Arc::clone(&tokenizer));
        let midway = tokens.iter().map(|&id| (detokenizer.push(id), detokenizer.is_midway()).1);
        assert_eq!(midway.collect::<Vec<_>>(), [false, true, true, true, false, false]);
    }

    #[test]
    fn bytes_that_never_become_a_character_are_replaced_once() {
        let tokenizer = Arc::new(fixture::byte_level());
        let tokens = byte_tokens(&tokenizer, b"\xf0\x9f\x98");
        assert_eq!(texts(&tokenizer, &tokens), ["", "", "", "\u{fffd}"]);
        let tokens = byte_tokens(&tokenizer, b"\xf0\x9fa\xff");
        assert_eq!(texts(&tokenizer, &tokens), ["", "", "\u{fffd}a", "\u{fffd}", ""]);
    }

    #[test]
    fn special_tokens_give_no_text() {
        let tokenizer = Arc::new(fixture::byte_level());
        let tokens = tokenizer.encode("the<|im_end|> end").unwrap();
        assert_eq!(texts(&tokenizer, &tokens).concat(), "the end");
    }

    #[test]
    fn a_token_is_spelled_as_it_would_come_next() {
        let tokenizer = Arc::new(fixture::byte_level());
        let mut detokenizer = Detokenizer::new(Arc::clone(&tokenizer));
        let tokens = byte_tokens(&tokenizer, "😀a".as_bytes());
        tokens[..3].iter().for_each(|&id| assert_eq!(detokenizer.push(id), ""));
        assert_eq!(detokenizer.spelled(tokens[3]), "😀");
        assert_eq!(detokenizer.spelled(tokens[4]), "\u{fffd}a");
        let end = tokenizer.encode("<|im_end|>").unwrap()[0];
        assert_eq!(detokenizer.spelled(end), "<|im_end|>");
        assert_eq!(detokenizer.push(tokens[3]), "😀", "nothing was pushed");
    }

    proptest! {
        #[test]
        fn the_whole_is_the_sum_of_its_parts(text in "\\PC*") {
            let tokenizer = Arc::new(fixture::byte_level());
            let tokens = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(texts(&tokenizer, &tokens).concat(), text.clone());
            let single = byte_tokens(&tokenizer, text.as_bytes());
            prop_assert_eq!(texts(&tokenizer, &single).concat(), text);
        }

        #[test]
        fn any_bytes_are_read_as_the_standard_reads_them(bytes: Vec<u8>) {
            let tokenizer = Arc::new(fixture::byte_level());
            let tokens = byte_tokens(&tokenizer, &bytes);
            let expected = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(texts(&tokenizer, &tokens).concat(), expected);
        }
    }
}
