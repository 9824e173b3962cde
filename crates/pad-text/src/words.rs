//! Bytes to the words that a vocabulary cuts them into, each with its tokens.
//!
//! The merges of a byte-level BPE act within words, so text that is added changes the tokens of the last words only. What a text spells is
//! text: no word is a control token.

use tokenizers::OffsetType;
use tokenizers::tokenizer::{Model, Normalizer, OffsetReferential, PreTokenizedString, PreTokenizer};

use crate::spelling::byte_level_char;
use crate::{TextError, Tokenizer};

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it ends in the text, in bytes.
    pub end: usize,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

impl Tokenizer {
    /// The words of a text.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary cannot spell the text.
    pub fn words(&self, text: &str) -> Result<Vec<Word>, TextError> {
        // As the `tokenizers` crate encodes a text, without looking for added tokens.
        let cut = || -> tokenizers::Result<Vec<Word>> {
            let mut pieces = PreTokenizedString::from(text);
            if let Some(normalizer) = self.inner().get_normalizer() {
                pieces.normalize(|piece| normalizer.normalize(piece))?;
            }
            if let Some(words) = self.inner().get_pre_tokenizer() {
                words.pre_tokenize(&mut pieces)?;
            }
            pieces.tokenize(|piece| self.inner().get_model().tokenize(piece.get()))?;
            let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
            let word = |(_, (_, end), tokens): (&str, (usize, usize), &Option<Vec<tokenizers::Token>>)| {
                let tokens = tokens.iter().flatten().map(|token| token.id).collect();
                Word { end, tokens }
            };
            Ok(splits.into_iter().map(word).collect())
        };
        cut().map_err(|error| TextError::Encode(error.to_string()))
    }

    /// The tokens of bytes that are no text, a part of a character for example; none if the vocabulary does not spell bytes in GPT-2's
    /// alphabet.
    pub fn encode_bytes(&self, bytes: &[u8]) -> Option<Vec<u32>> {
        let spelled: String = bytes.iter().copied().map(byte_level_char).collect();
        let tokens: Vec<u32> = self.inner().get_model().tokenize(&spelled).ok()?.iter().map(|token| token.id).collect();
        let written = tokens.iter().flat_map(|id| self.token_bytes(*id)).copied();
        written.eq(bytes.iter().copied()).then_some(tokens)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::fixture;

    #[test]
    fn words_end_where_the_vocabulary_cuts() {
        let tokenizer = fixture::byte_level();
        let text = "the end 42 é!";
        let words = tokenizer.words(text).unwrap();
        let mut start = 0;
        let cut =
            words.iter().map(|word| (&text[std::mem::replace(&mut start, word.end)..word.end], word.tokens.len()));
        // Signs and words that are no merges are spelled by bytes.
        let expected = [("the", 1), (" end", 2), (" ", 1), ("4", 1), ("2", 1), (" é", 3), ("!", 1)];
        assert_eq!(cut.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_spelled_is_text() {
        let tokenizer = fixture::byte_level();
        let words = tokenizer.words("a<|im_end|>").unwrap();
        assert!(words.iter().flat_map(|word| &word.tokens).all(|token| !tokenizer.is_special(*token)));
    }

    #[test]
    fn parts_of_characters_are_spelled_by_bytes() {
        let tokenizer = fixture::byte_level();
        for bytes in [&b"\xf0\x9f"[..], b"\xff", b"the", b""] {
            let tokens = tokenizer.encode_bytes(bytes).unwrap();
            let written: Vec<u8> = tokens.iter().flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
            assert_eq!(written, bytes);
        }
        assert_eq!(tokenizer.encode_bytes(b"the").unwrap().len(), 1, "with its merges");
        assert_eq!(fixture::sentencepiece(false).encode_bytes(b"\xf0\x9f"), None);
    }

    proptest! {
        #[test]
        fn the_words_of_a_text_are_its_tokens(text in "\\PC*|[a-z 0-9'.\n😀é]*") {
            let tokenizer = fixture::byte_level();
            let words = tokenizer.words(&text).unwrap();
            let tokens: Vec<u32> = words.iter().flat_map(|word| word.tokens.clone()).collect();
            prop_assert_eq!(tokens, tokenizer.encode_text(&text).unwrap());
            prop_assert_eq!(words.last().map_or(0, |word| word.end), text.len());
        }
    }
}
