//! The pre-tokenizers that GGUF files refer to by name (`tokenizer.ggml.pre`).
//!
//! A pre-tokenizer cuts a text into words before the merges of a byte-level BPE apply. A GGUF
//! file keeps only its name; the rules are those of each model's own `tokenizer.json`.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::TextError;

/// Contractions, words, runs of digits, runs of signs, white space: GPT-2's pattern is built
/// into `ByteLevel`. These are the later ones.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The rules that llama.cpp applies to files of the pre-tokenizer `default`: signs, then
/// GPT-2's pattern, then digits by three.
const DEFAULT_SIGNS: &str = r"[\p{P}\$\+<=>\^~\|]+";
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const DEFAULT_NUMBERS: &str = r"\p{N}+";
const DEFAULT_DIGITS: &str = "[0-9][0-9][0-9]";

/// The rules that a pre-tokenizer's name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// GPT-2's pattern.
    Gpt2,
    /// Each digit is a word, then GPT-2's pattern.
    SingleDigits,
    /// Patterns applied one after the other, each cutting what the ones before left.
    Patterns(&'static [&'static str]),
}

/// Every known name, its rules, and whether a word that is a token needs no merges.
const KNOWN: &[(&str, Rules, bool)] = &[
    ("gpt-2", Rules::Gpt2, false),
    ("gpt2", Rules::Gpt2, false),
    ("olmo", Rules::Gpt2, false),
    ("mpt", Rules::Gpt2, false),
    ("smollm", Rules::SingleDigits, false),
    ("starcoder", Rules::SingleDigits, false),
    ("refact", Rules::SingleDigits, false),
    ("command-r", Rules::SingleDigits, false),
    ("codeshell", Rules::SingleDigits, false),
    ("exaone", Rules::SingleDigits, false),
    ("llama-bpe", Rules::Patterns(&[LLAMA3]), true),
    ("llama3", Rules::Patterns(&[LLAMA3]), true),
    ("llama-v3", Rules::Patterns(&[LLAMA3]), true),
    ("falcon3", Rules::Patterns(&[LLAMA3]), true),
    ("smaug-bpe", Rules::Patterns(&[LLAMA3]), false),
    ("dbrx", Rules::Patterns(&[LLAMA3]), false),
    ("qwen2", Rules::Patterns(&[QWEN2]), false),
    ("deepseek-r1-qwen", Rules::Patterns(&[QWEN2]), false),
    ("stablelm2", Rules::Patterns(&[QWEN2]), false),
    ("qwen35", Rules::Patterns(&[QWEN35]), false),
    ("tekken", Rules::Patterns(&[TEKKEN]), true),
    ("gpt-4o", Rules::Patterns(&[GPT4O]), false),
    ("llama4", Rules::Patterns(&[GPT4O]), false),
    ("default", Rules::Patterns(&[DEFAULT_SIGNS, GPT2, DEFAULT_NUMBERS, DEFAULT_DIGITS]), false),
];

/// A pre-tokenizer, and what belongs with it.
#[derive(Debug)]
pub(crate) struct PreTokenizer {
    /// Cuts a text into words and spells them in the byte-level alphabet.
    pub(crate) words: PreTokenizerWrapper,
    /// A word that is itself a token is taken whole, whatever the merges say.
    pub(crate) ignore_merges: bool,
    /// The text is brought to Unicode's composed form (NFC) first.
    pub(crate) composed: bool,
}

impl PreTokenizer {
    /// The pre-tokenizer of a name.
    ///
    /// # Errors
    /// [`TextError::UnsupportedPre`], which lists the known names.
    pub(crate) fn named(name: &str) -> Result<Self, TextError> {
        let Some(&(_, rules, ignore_merges)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = KNOWN.iter().map(|&(known, ..)| known).collect();
            return Err(TextError::UnsupportedPre { name: name.to_owned(), known: known.join(", ") });
        };
        Ok(Self {
            words: rules.build()?,
            ignore_merges,
            composed: name.starts_with("qwen") || name == "deepseek-r1-qwen",
        })
    }
}

impl Rules {
    fn build(self) -> Result<PreTokenizerWrapper, TextError> {
        let spelled = |pattern| ByteLevel::new(false, false, pattern).into();
        let steps: Vec<PreTokenizerWrapper> = match self {
            Self::Gpt2 => return Ok(spelled(true)),
            Self::SingleDigits => vec![Digits::new(true).into(), spelled(true)],
            Self::Patterns(patterns) => {
                let mut steps = Vec::with_capacity(patterns.len() + 1);
                for pattern in patterns {
                    steps.push(split(pattern)?);
                }
                steps.push(spelled(false));
                steps
            }
        };
        Ok(Sequence::new(steps).into())
    }
}

fn split(pattern: &str) -> Result<PreTokenizerWrapper, TextError> {
    let pattern = SplitPattern::Regex(pattern.to_owned());
    Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map(Into::into).map_err(|error| {
        TextError::Vocabulary { origin: "the pre-tokenizer's pattern".into(), problem: error.to_string() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _};

    fn words(name: &str, text: &str) -> String {
        let mut cut = PreTokenizedString::from(text);
        let built = PreTokenizer::named(name).unwrap().words;
        built.pre_tokenize(&mut cut).unwrap();
        let words: Vec<&str> =
            cut.get_splits(OffsetReferential::Original, OffsetType::Byte).into_iter().map(|(word, ..)| word).collect();
        words.join("|")
    }

    #[test]
    fn each_family_cuts_words_its_own_way() {
        let text = "Hello'Ve HELLOworld 1234\n\n  foo";
        assert_eq!(words("gpt-2", text), "Hello|'|Ve|ĠHELLOworld|Ġ1234|ĊĊĠ|Ġfoo");
        assert_eq!(words("smollm", text), "Hello|'|Ve|ĠHELLOworld|Ġ|1|2|3|4|ĊĊĠ|Ġfoo");
        assert_eq!(words("llama-bpe", text), "Hello|'Ve|ĠHELLOworld|Ġ|123|4|ĊĊ|Ġ|Ġfoo");
        assert_eq!(words("qwen2", text), "Hello|'Ve|ĠHELLOworld|Ġ|1|2|3|4|ĊĊ|Ġ|Ġfoo");
        assert_eq!(words("tekken", text), "Hello|'Ve|ĠHELLOworld|Ġ|1|2|3|4|ĊĊ|Ġ|Ġfoo");
        assert_eq!(words("gpt-4o", text), "Hello'Ve|ĠHELLOworld|Ġ|123|4|ĊĊ|Ġ|Ġfoo");
        assert_eq!(words("default", text), "Hello|'|Ve|ĠHELLOworld|Ġ|123|4|ĊĊĠ|Ġfoo");
    }

    #[test]
    fn every_known_name_builds() {
        for (name, ..) in KNOWN {
            assert_eq!(words(name, "a b"), "a|Ġb", "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = PreTokenizer::named("martian").unwrap_err().to_string();
        assert!(error.contains("`martian`") && error.contains("smollm, "), "{error}");
    }
}
