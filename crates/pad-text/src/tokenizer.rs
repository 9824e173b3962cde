//! Text to token ids, and token ids to exact bytes.

use std::collections::HashSet;
use std::path::Path;

#[cfg(feature = "gguf")]
use candle_core::quantized::gguf_file;

use crate::TextError;
#[cfg(feature = "gguf")]
use crate::gguf;
use crate::spelling::Spelling;

/// Token ids stay below: a table is kept up to the largest, so one wild id must not ask for all the memory.
const LARGEST: usize = 1 << 24;

/// A vocabulary with its rules.
///
/// Encoding is done by the `tokenizers` crate. Decoding is not: a table holds the exact bytes of
/// every token, so that a stream of tokens can be turned into text without re-decoding a prefix.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bytes: TokenBytes,
    special: HashSet<u32>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TextError::Read`] or [`TextError::Vocabulary`].
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        let json = std::fs::read(path).map_err(|source| TextError::Read { path: path.to_owned(), source })?;
        let origin = || path.display().to_string();
        let mut inner =
            tokenizers::Tokenizer::from_bytes(json).map_err(|error| TextError::vocabulary(origin(), &error))?;
        // A file may ask for training-time truncation or padding; a prompt is whole or refused.
        inner.with_truncation(None).map_err(|error| TextError::vocabulary(origin(), &error))?;
        inner.with_padding(None);
        let decoder = serde_json::to_string(&inner.get_decoder()).unwrap_or_default();
        let pre_tokenizer = serde_json::to_string(&inner.get_pre_tokenizer()).unwrap_or_default();
        Self::new(inner, Spelling::declared_by(&decoder, &pre_tokenizer))
            .map_err(|error| TextError::vocabulary(origin(), &error))
    }

    /// Reads the vocabulary in a GGUF header: `gpt2` (byte-level BPE) and `llama`
    /// (`SentencePiece` BPE) vocabularies.
    ///
    /// # Errors
    /// [`TextError::Metadata`] for a missing or mistyped key, [`TextError::UnsupportedModel`] or
    /// [`TextError::UnsupportedPre`] for a kind of tokenizer that is not known here,
    /// [`TextError::Vocabulary`] if the parts do not fit together.
    #[cfg(feature = "gguf")]
    pub fn from_gguf(content: &gguf_file::Content) -> Result<Self, TextError> {
        let (inner, spelling) = gguf::tokenizer(content)?;
        Self::new(inner, spelling).map_err(|error| TextError::vocabulary("GGUF metadata", &error))
    }

    fn new(inner: tokenizers::Tokenizer, spelling: Spelling) -> Result<Self, tokenizers::Error> {
        let added = inner.get_added_tokens_decoder();
        let special = added.iter().filter(|(_, token)| token.special).map(|(&id, _)| id).collect();
        let vocabulary = inner.get_vocab(true);
        let len = vocabulary.values().max().map_or(0, |&id| id as usize + 1);
        if len > LARGEST {
            return Err(format!("token id {} is above {}", len - 1, LARGEST - 1).into());
        }
        let mut spelled = vec![Vec::new(); len];
        for (token, id) in vocabulary {
            spelled[id as usize] = if added.contains_key(&id) { token.into_bytes() } else { spelling.bytes(&token) };
        }
        Ok(Self { inner, bytes: TokenBytes::new(&spelled), special })
    }

    /// The tokens of a text. Special tokens written in the text are parsed; none is added.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary cannot spell the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|error| TextError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The exact bytes of a token: not always a whole character, and for a special token its
    /// written form. Empty for an id that is not in the vocabulary.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id)
    }

    /// Whether the token is a control token, which gives no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// One more than the largest token id. (A model's embedding may have more rows than that.)
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }

    /// The id of a token by its written form in the vocabulary (`<|im_end|>`, `Ġthe`).
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The id of a token, if the token exists and is special.
    pub(crate) fn special_id(&self, token: &str) -> Option<u32> {
        self.token_id(token).filter(|&id| self.is_special(id))
    }
}

/// The bytes of all tokens in one allocation: token i is `bytes[starts[i]..starts[i + 1]]`.
#[derive(Debug)]
struct TokenBytes {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl TokenBytes {
    fn new(tokens: &[Vec<u8>]) -> Self {
        let mut starts = vec![0];
        let mut bytes = Vec::with_capacity(tokens.iter().map(Vec::len).sum());
        for token in tokens {
            bytes.extend_from_slice(token);
            starts.push(bytes.len() as u32);
        }
        Self { bytes, starts }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn get(&self, id: u32) -> &[u8] {
        match self.starts.get(id as usize..) {
            Some(&[start, end, ..]) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    #[test]
    fn special_tokens_are_parsed_and_none_is_added() {
        let tokenizer = fixture::byte_level();
        let end = tokenizer.token_id("<|im_end|>").unwrap();
        let tokens = tokenizer.encode("hi<|im_end|>").unwrap();
        assert_eq!(tokens.last(), Some(&end));
        assert_eq!(tokens.iter().filter(|&&id| id == end).count(), 1);
        assert!(tokenizer.is_special(end));
        assert!(!tokenizer.is_special(tokens[0]));
        assert_eq!(tokenizer.token_bytes(end), b"<|im_end|>");
    }

    #[test]
    fn ids_outside_the_vocabulary_have_no_bytes() {
        let tokenizer = fixture::byte_level();
        let size = tokenizer.vocab_size() as u32;
        assert!(!tokenizer.token_bytes(size - 1).is_empty());
        assert!(tokenizer.token_bytes(size).is_empty());
        assert!(tokenizer.token_bytes(u32::MAX).is_empty());
        assert!(!tokenizer.is_special(u32::MAX));
    }

    #[test]
    fn a_file_that_is_not_a_tokenizer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        let missing = Tokenizer::from_file(&path).unwrap_err();
        assert!(matches!(missing, TextError::Read { .. }), "{missing}");
        std::fs::write(&path, "{}").unwrap();
        let broken = Tokenizer::from_file(&path).unwrap_err().to_string();
        assert!(broken.contains("tokenizer.json"), "{broken}");
    }

    #[test]
    fn a_wild_token_id_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        let text = std::fs::read_to_string(fixture::data("tokenizer.json")).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["model"]["vocab"]["wild"] = u32::MAX.into();
        std::fs::write(&path, json.to_string()).unwrap();
        let error = Tokenizer::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("token id 4294967295 is above 16777215"), "{error}");
    }

    #[test]
    fn a_file_and_a_gguf_of_one_vocabulary_agree() {
        let gguf = fixture::byte_level();
        let file = Tokenizer::from_file(&fixture::data("tokenizer.json")).unwrap();
        for text in ["the then in the end", "42 é 😀\n\n x", "<|im_start|>user"] {
            assert_eq!(file.encode(text).unwrap(), gguf.encode(text).unwrap());
        }
        for id in 0..gguf.vocab_size() as u32 {
            assert_eq!(file.token_bytes(id), gguf.token_bytes(id));
            assert_eq!(file.is_special(id), gguf.is_special(id));
        }
    }

    proptest! {
        #[test]
        fn the_bytes_of_a_texts_tokens_are_the_text(text in ".*") {
            for tokenizer in [fixture::byte_level(), fixture::sentencepiece(false)] {
                let tokens = tokenizer.encode(&text).unwrap();
                let bytes: Vec<u8> =
                    tokens.iter().flat_map(|&id| tokenizer.token_bytes(id).to_vec()).collect();
                // SentencePiece cannot tell a space from its own sign for it.
                prop_assert_eq!(
                    String::from_utf8(bytes).unwrap().replace('▁', " "),
                    text.replace('▁', " ")
                );
            }
        }
    }
}
