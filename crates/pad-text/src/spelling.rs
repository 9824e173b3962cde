//! How a vocabulary spells bytes as printable tokens, and the way back.

/// The spelling of a vocabulary's ordinary tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// GPT-2's byte-level alphabet: every character of a token stands for one byte.
    ByteLevel,
    /// `SentencePiece`: `▁` is a space, `<0xNN>` is one byte, all else is itself.
    SentencePiece,
    /// Tokens are their own text.
    Plain,
}

impl Spelling {
    /// The spelling that a `tokenizer.json` declares by its decoder and pre-tokenizer, both
    /// given as JSON.
    pub(crate) fn declared_by(decoder: &str, pre_tokenizer: &str) -> Self {
        let byte_level = r#""ByteLevel""#;
        if decoder.contains(byte_level) || pre_tokenizer.contains(byte_level) {
            Self::ByteLevel
        } else if decoder.contains('▁') || decoder.contains("ByteFallback") {
            Self::SentencePiece
        } else {
            Self::Plain
        }
    }

    /// The bytes of an ordinary token. (Added tokens, such as `<|im_end|>`, are always their
    /// own text.)
    pub(crate) fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => byte_level_bytes(token),
            Self::SentencePiece => match byte_fallback(token) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            },
            Self::Plain => token.as_bytes().to_vec(),
        }
    }
}

/// A token with a character outside the alphabet is kept as its own text: a vocabulary may
/// hold a few such tokens, and no byte of theirs may be lost.
fn byte_level_bytes(token: &str) -> Vec<u8> {
    let mapped: Option<Vec<u8>> = token.chars().map(byte_level_byte).collect();
    mapped.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The byte that a character of GPT-2's alphabet stands for: printable Latin-1 characters are
/// themselves; the 68 other bytes were given U+0100, U+0101, ... in rising order.
fn byte_level_byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The byte of a `<0xNN>` token.
fn byte_fallback(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    two.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// The character of GPT-2's alphabet for a byte.
pub(crate) fn byte_level_char(byte: u8) -> char {
    let code = u32::from(byte);
    let code = match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => code,
        0..=0x20 => code + 0x100,
        0x7f..=0xa0 => code - 0x7f + 0x121,
        0xad => 0x143,
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    #[test]
    fn the_alphabet_is_that_of_the_tokenizers_crate() {
        let ours: HashSet<char> = (0..=255).map(byte_level_char).collect();
        let theirs: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
        assert_eq!(ours, theirs);
        assert_eq!(byte_level_char(b' '), 'Ġ');
        assert_eq!(byte_level_char(b'\n'), 'Ċ');
        assert_eq!(byte_level_char(0x7f), 'ġ');
        assert_eq!(byte_level_char(0xad), 'Ń');
    }

    #[test]
    fn each_spelling_gives_exact_bytes() {
        assert_eq!(Spelling::ByteLevel.bytes("Ġthe"), b" the");
        assert_eq!(Spelling::ByteLevel.bytes("ðŁĺ"), [0xf0, 0x9f, 0x98]);
        assert_eq!(Spelling::ByteLevel.bytes("▁x"), "▁x".as_bytes());
        assert_eq!(Spelling::SentencePiece.bytes("▁the▁"), b" the ");
        assert_eq!(Spelling::SentencePiece.bytes("<0x0A>"), b"\n");
        assert_eq!(Spelling::SentencePiece.bytes("<0xF0>"), [0xf0]);
        assert_eq!(Spelling::SentencePiece.bytes("<0x+A>"), b"<0x+A>");
        assert_eq!(Spelling::Plain.bytes("Ġ"), "Ġ".as_bytes());
    }
}
