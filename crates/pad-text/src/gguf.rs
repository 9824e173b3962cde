//! The tokenizer inside a GGUF header (`tokenizer.ggml.*`).
//!
//! `candle_core::quantized::tokenizer` reads such headers too, but knows neither `smollm` nor
//! `SentencePiece` vocabularies, puts a space before texts, and adds tokens of its own.

use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::{AddedToken, Tokenizer};

use crate::TextError;
use crate::pretokenizer::PreTokenizer;
use crate::sentencepiece::SentencePiece;
use crate::spelling::Spelling;
use crate::template::END_OF_TURN;

/// The kinds of token in `tokenizer.ggml.token_type` that matter here.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// The tokenizer of a GGUF header and the spelling of its ordinary tokens.
///
/// # Errors
/// See [`crate::Tokenizer::from_gguf`].
pub(crate) fn tokenizer(content: &Content) -> Result<(Tokenizer, Spelling), TextError> {
    let header = Header(content);
    let tokens = header.strings("tokenizer.ggml.tokens")?;
    let kinds = header.kinds(tokens.len())?;
    let (mut tokenizer, spelling) = match header.string("tokenizer.ggml.model")? {
        "gpt2" => (byte_level(&header, &tokens)?, Spelling::ByteLevel),
        "llama" => (sentencepiece(&header, &tokens, &kinds)?, Spelling::SentencePiece),
        other => return Err(TextError::UnsupportedModel(other.to_owned())),
    };
    let added = tokens.iter().zip(&kinds).filter_map(|(token, &kind)| {
        // Some converters forget to mark a chat format's end token as a control token.
        let special = matches!(kind, CONTROL | UNKNOWN) || END_OF_TURN.contains(&token.as_str());
        (special || kind == USER_DEFINED).then(|| AddedToken::from(token.as_str(), special).normalized(false))
    });
    tokenizer.add_tokens(added).map_err(|error| vocabulary_error(&error))?;
    Ok((tokenizer, spelling))
}

fn byte_level(header: &Header, tokens: &[String]) -> Result<Tokenizer, TextError> {
    let pre = match header.0.metadata.get("tokenizer.ggml.pre") {
        Some(_) => header.string("tokenizer.ggml.pre")?,
        None => "default",
    };
    let pre = PreTokenizer::named(pre)?;
    let vocabulary: Vocab = tokens.iter().cloned().zip(0..).collect();
    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary, header.merges()?)
        .ignore_merges(pre.ignore_merges)
        .build()
        .map_err(|error| vocabulary_error(&error))?;
    let mut tokenizer = Tokenizer::new(bpe);
    if pre.composed {
        tokenizer.with_normalizer(Some(NFC)).map_err(|error| vocabulary_error(&error))?;
    }
    tokenizer.with_pre_tokenizer(Some(pre.words));
    Ok(tokenizer)
}

fn sentencepiece(header: &Header, tokens: &[String], kinds: &[i64]) -> Result<Tokenizer, TextError> {
    let scores = header.scores(tokens.len())?;
    let ordinary: Vec<bool> = kinds.iter().map(|&kind| kind == NORMAL).collect();
    let unknown = header.token_id("tokenizer.ggml.unknown_token_id")?.and_then(|id| tokens.get(id as usize));
    let prefix = header.0.metadata.get("tokenizer.ggml.add_space_prefix");
    SentencePiece {
        tokens,
        scores: &scores,
        ordinary: &ordinary,
        unknown: unknown.map(String::as_str),
        add_space_prefix: prefix.is_none_or(|value| value.to_bool().unwrap_or(true)),
    }
    .build()
    .map_err(|error| vocabulary_error(&error))
}

/// Typed access to the header's metadata, with errors that name the key.
pub(crate) struct Header<'a>(pub(crate) &'a Content);

impl<'a> Header<'a> {
    fn get(&self, key: &str) -> Result<&'a Value, TextError> {
        self.0.metadata.get(key).ok_or_else(|| metadata_error(key, "is missing"))
    }

    /// A required string.
    pub(crate) fn string(&self, key: &str) -> Result<&'a str, TextError> {
        let value = self.get(key)?.to_string();
        value.map(String::as_str).map_err(|_| metadata_error(key, "must be a string"))
    }

    /// Whether the beginning-of-text token stands before every text: what the header says or, where it is silent, what `SentencePiece`
    /// vocabularies mean.
    pub(crate) fn opens_texts(&self) -> bool {
        let said = self.0.metadata.get("tokenizer.ggml.add_bos_token").and_then(|value| value.to_bool().ok());
        said.unwrap_or_else(|| self.string("tokenizer.ggml.model").is_ok_and(|model| model == "llama"))
    }

    /// An optional token id.
    pub(crate) fn token_id(&self, key: &str) -> Result<Option<u32>, TextError> {
        let Some(value) = self.0.metadata.get(key) else {
            return Ok(None);
        };
        integer(value)
            .and_then(|id| u32::try_from(id).ok())
            .map(Some)
            .ok_or_else(|| metadata_error(key, "must be a token id"))
    }

    fn strings(&self, key: &str) -> Result<Vec<String>, TextError> {
        self.array(key, "strings", |value| value.to_string().ok().cloned())
    }

    fn array<T>(&self, key: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, TextError> {
        let values = self.get(key)?.to_vec().ok();
        values
            .and_then(|values| values.iter().map(read).collect())
            .ok_or_else(|| metadata_error(key, &format!("must be an array of {what}")))
    }

    /// The kind of each token; all are normal if the header does not say.
    fn kinds(&self, tokens: usize) -> Result<Vec<i64>, TextError> {
        let key = "tokenizer.ggml.token_type";
        if !self.0.metadata.contains_key(key) {
            return Ok(vec![NORMAL; tokens]);
        }
        same_length(key, tokens, self.array(key, "integers", integer)?)
    }

    fn scores(&self, tokens: usize) -> Result<Vec<f32>, TextError> {
        let key = "tokenizer.ggml.scores";
        let scores = self.array(key, "numbers", |value| value.to_f32().ok())?;
        same_length(key, tokens, scores)
    }

    fn merges(&self) -> Result<Merges, TextError> {
        let key = "tokenizer.ggml.merges";
        self.array(key, "pairs `left right`", |value| {
            let pair = value.to_string().ok()?;
            let (left, right) = pair.split_once(' ')?;
            Some((left.to_owned(), right.to_owned()))
        })
    }
}

fn same_length<T>(key: &str, tokens: usize, values: Vec<T>) -> Result<Vec<T>, TextError> {
    if values.len() == tokens {
        return Ok(values);
    }
    let problem = format!("has {} entries for {tokens} tokens", values.len());
    Err(metadata_error(key, &problem))
}

/// The value of any of GGUF's integer types.
fn integer(value: &Value) -> Option<i64> {
    match *value {
        Value::U8(v) => Some(v.into()),
        Value::I8(v) => Some(v.into()),
        Value::U16(v) => Some(v.into()),
        Value::I16(v) => Some(v.into()),
        Value::U32(v) => Some(v.into()),
        Value::I32(v) => Some(v.into()),
        Value::U64(v) => i64::try_from(v).ok(),
        Value::I64(v) => Some(v),
        _ => None,
    }
}

fn metadata_error(key: &str, problem: &str) -> TextError {
    TextError::Metadata { key: key.to_owned(), problem: problem.to_owned() }
}

fn vocabulary_error(error: &tokenizers::Error) -> TextError {
    TextError::vocabulary("GGUF metadata", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn kinds_other_than_control_are_not_special() {
        let tokenizer = fixture::sentencepiece(true);
        let user_defined = tokenizer.token_id("[tool]").unwrap();
        assert!(!tokenizer.is_special(user_defined));
        assert!(tokenizer.is_special(tokenizer.token_id("<unk>").unwrap()));
        let tokens = tokenizer.encode("x[tool]").unwrap();
        assert_eq!(tokens.last(), Some(&user_defined));
    }

    #[test]
    fn sentencepiece_joins_the_best_score_first() {
        // "he" would leave no way to "▁the", but the scores prefer "th".
        let tokenizer = fixture::sentencepiece(true);
        let id = |token| tokenizer.token_id(token).unwrap();
        assert_eq!(tokenizer.encode("the").unwrap(), [id("▁the")]);
        assert_eq!(tokenizer.encode("thh").unwrap(), [id("▁th"), id("h")]);
        assert_eq!(tokenizer.encode("he").unwrap(), [id("▁"), id("he")]);
        let bytes = ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"].map(id);
        assert_eq!(tokenizer.encode("😀").unwrap()[1..], bytes);
    }

    #[test]
    fn a_space_prefix_is_added_only_where_the_file_asks() {
        let with = fixture::sentencepiece(true);
        let without = fixture::sentencepiece(false);
        let space = with.token_id("▁").unwrap();
        assert_eq!(with.encode("he").unwrap()[0], space);
        assert_ne!(without.encode("he").unwrap()[0], space);
    }

    #[test]
    fn errors_name_the_key() {
        let check = |key: &str, value: Option<Value>, expected: &str| {
            let mut content = fixture::byte_level_content();
            content.metadata.remove(key);
            content.metadata.extend(value.map(|v| (key.to_owned(), v)));
            let error = tokenizer(&content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let text = |s: &str| Some(Value::String(s.into()));
        check("tokenizer.ggml.model", None, "`tokenizer.ggml.model`: is missing");
        check("tokenizer.ggml.model", text("bert"), "is `bert`; supported are");
        check("tokenizer.ggml.pre", text("x"), "`tokenizer.ggml.pre` is `x`");
        check("tokenizer.ggml.tokens", text("x"), "must be an array of strings");
        check("tokenizer.ggml.token_type", Some(Value::Array(vec![Value::I32(1)])), "has 1 entries for");
        let merge = Value::String("nothing here".into());
        check("tokenizer.ggml.merges", Some(Value::Array(vec![merge])), "cannot be used as a tokenizer");
    }
}
