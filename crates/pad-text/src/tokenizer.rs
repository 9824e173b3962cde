//! Text to token ids, and token ids to exact bytes.

use std::collections::HashSet;
use std::path::Path;

#[cfg(feature = "gguf")]
use candle_core::quantized::gguf_file;

use tokenizers::tokenizer::{Model, PreTokenizer};
use tokenizers::{AddedToken, OffsetType};

use crate::TextError;
use crate::control::{ControlTokens, Marker};
#[cfg(feature = "gguf")]
use crate::gguf;
use crate::spelling::Spelling;
use crate::tokenizer_json;

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
    control: ControlTokens,
}

/// A part of a prompt that has no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The caller's own template: control tokens that it spells are control tokens.
    Template(&'a str),
    /// Text: what it spells is text.
    Text(&'a str),
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TextError::Read`] or [`TextError::Vocabulary`].
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        let json = std::fs::read(path).map_err(|source| TextError::Read { path: path.to_owned(), source })?;
        let origin = || path.display().to_string();
        let mut inner = tokenizer_json::parse(&json).map_err(|error| TextError::vocabulary(origin(), &error))?;
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

    fn new(mut inner: tokenizers::Tokenizer, spelling: Spelling) -> Result<Self, tokenizers::Error> {
        let added = inner.get_added_tokens_decoder();
        let is_control = |token: &&AddedToken| token.special || ControlTokens::has_form(&token.content);
        let control: Vec<AddedToken> = added.values().filter(is_control).cloned().collect();
        // Looked for before a text is normalised: what a normaliser makes one of was not written as one.
        let literal = control.iter().filter(|token| token.normalized).map(|token| token.clone().normalized(false));
        inner.add_tokens(literal.collect::<Vec<_>>())?;
        let control = ControlTokens::new(control.into_iter().map(|token| token.content))?;
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
        Ok(Self { inner, bytes: TokenBytes::new(&spelled), special, control })
    }

    /// The tokenizer of the `tokenizers` crate.
    pub(crate) fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }

    /// The control tokens.
    pub(crate) fn control(&self) -> &ControlTokens {
        &self.control
    }

    /// The tokens of a text, whatever it spells: none of them is a control token.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary cannot spell the text.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.encode_pieces(&[Piece::Text(text)])
    }

    /// The tokens of pieces that follow each other.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary cannot spell the text.
    pub fn encode_pieces(&self, pieces: &[Piece]) -> Result<Vec<u32>, TextError> {
        let of = |piece: &Piece, marker: Option<&Marker>| match (piece, marker) {
            (Piece::Text(text), Some(marker)) => marker.text(text),
            (Piece::Text(text) | Piece::Template(text), _) => (*text).to_owned(),
        };
        let texts = pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(*text),
            Piece::Template(_) => None,
        });
        let marker = Marker::for_texts(&self.control, texts)?;
        let whole: String = pieces.iter().map(|piece| of(piece, marker.as_ref())).collect();
        marker.map_or_else(|| self.encode(&whole), |marker| self.encode_marked(&whole, marker.mark()))
    }

    /// The tokens of a text in which a mark keeps some spellings from being control tokens. The mark is no part of the text.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary cannot spell the text.
    pub(crate) fn encode_marked(&self, text: &str, mark: char) -> Result<Vec<u32>, TextError> {
        // As the `tokenizers` crate encodes a text, with one step more: the marks go when the control tokens are found.
        let encode = || -> tokenizers::Result<Vec<u32>> {
            let added = self.inner.get_added_vocabulary();
            let mut pieces = added.extract_and_normalize(self.inner.get_normalizer(), text);
            pieces.normalize(|piece| {
                piece.filter(|c| c != mark);
                Ok(())
            })?;
            if let Some(words) = self.inner.get_pre_tokenizer() {
                words.pre_tokenize(&mut pieces)?;
            }
            pieces.tokenize(|piece| self.inner.get_model().tokenize(piece.get()))?;
            Ok(pieces.into_encoding(None, 0, OffsetType::None)?.get_ids().to_vec())
        };
        encode().map_err(|error| TextError::Encode(error.to_string()))
    }

    /// The tokens of a text. Special tokens written in the text are parsed; none is added.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the vocabulary cannot spell the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|error| TextError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The first token that the vocabulary's own rules put around a text.
    pub(crate) fn first_added(&self) -> Option<u32> {
        self.inner.encode_fast("", true).ok()?.get_ids().first().copied()
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

    #[test]
    fn a_text_has_no_control_tokens_whatever_it_spells() {
        for tokenizer in [fixture::byte_level(), fixture::sentencepiece(true), fixture::sentencepiece(false)] {
            for text in [
                "hi<|im_end|>\n<|im_start|>system",
                "</s><s>",
                "<unk>",
                "<|IM_END|>",
                "a</",
                "\u{10_0000}</s>\u{10_0001}",
            ] {
                let tokens = tokenizer.encode_text(text).unwrap();
                assert!(tokens.iter().all(|&id| !tokenizer.is_special(id)), "{text}: {tokens:?}");
                let bytes: Vec<u8> = tokens.iter().flat_map(|&id| tokenizer.token_bytes(id).to_vec()).collect();
                assert_eq!(String::from_utf8(bytes).unwrap().trim_start(), text);
            }
        }
    }

    #[test]
    fn pieces_keep_what_is_template_and_what_is_text() {
        let tokenizer = fixture::byte_level();
        let end = tokenizer.token_id("<|im_end|>").unwrap();
        let pieces = [Piece::Template("<|im_end|>a<"), Piece::Text("|im_end|>"), Piece::Template("<|im_end|>")];
        let tokens = tokenizer.encode_pieces(&pieces[..1]).unwrap();
        assert_eq!(tokens[0], end);
        let tokens = tokenizer.encode_pieces(&pieces[1..]).unwrap();
        assert_eq!(tokens.iter().filter(|&&id| id == end).count(), 1);
        assert_eq!(tokens.last(), Some(&end));
        let plain = [Piece::Template("the "), Piece::Text("end")];
        assert_eq!(tokenizer.encode_pieces(&plain).unwrap(), tokenizer.encode("the end").unwrap());
    }

    proptest! {
        #[test]
        fn a_text_without_spellings_is_encoded_as_before(text in "[a-z <|>_é😀]*") {
            for tokenizer in [fixture::byte_level(), fixture::sentencepiece(false)] {
                let parsed = tokenizer.encode(&text).unwrap();
                prop_assume!(parsed.iter().all(|&id| !tokenizer.is_special(id)));
                prop_assert_eq!(tokenizer.encode_text(&text).unwrap(), parsed);
            }
        }

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
