//! Log-probabilities of a completion's tokens, in the older of OpenAI's two shapes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{TokenLogprob, TopLogprob};

/// Log-probabilities of a text: four lists, one entry per token. The tokens, joined, are the text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "tokens": [" the", " fox"], "token_logprobs": [-0.3, -1.2], "text_offset": [0, 4],
    "top_logprobs": [{" the": -0.3, " a": -1.5}, {" fox": -1.2, " cat": -1.9}]
}))]
pub struct TextLogprobs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// The tokens' log-probabilities, in nats; null for the first token of a prompt.
    pub token_logprobs: Vec<Option<f32>>,
    /// The log-probabilities of the most probable candidates and of the token itself, one entry for each; null if there are none.
    /// The token itself is named by its entry in `tokens`; any other by the text that it would have added or, if that is not a
    /// whole character or is already taken, by its bytes, such as `bytes:\xf0\x9f`.
    pub top_logprobs: Vec<Option<BTreeMap<String, f32>>>,
    /// Where each token starts in the choice's text, in characters.
    pub text_offset: Vec<usize>,
}

impl TextLogprobs {
    /// Add a token that begins at character `offset`; tells where the next one begins.
    pub fn push(&mut self, entry: TokenLogprob, offset: usize) -> usize {
        let mut top = BTreeMap::from([(entry.token.clone(), entry.logprob)]);
        for candidate in entry.top_logprobs {
            let itself = candidate.bytes == entry.bytes && candidate.logprob.to_bits() == entry.logprob.to_bits();
            if !itself {
                top.insert(key(&candidate, &top), candidate.logprob);
            }
        }
        self.add(entry.token, Some((entry.logprob, top)), offset)
    }

    /// Add a token with what is known of it: its log-probability and those of the best in its place.
    pub fn add(&mut self, token: String, known: Option<(f32, BTreeMap<String, f32>)>, offset: usize) -> usize {
        let (logprob, top) = known.unzip();
        let end = offset + token.chars().count();
        self.tokens.push(token);
        self.token_logprobs.push(logprob);
        self.top_logprobs.push(top);
        self.text_offset.push(offset);
        end
    }

    /// Append what comes after.
    pub fn extend(&mut self, more: Self) {
        self.tokens.extend(more.tokens);
        self.token_logprobs.extend(more.token_logprobs);
        self.top_logprobs.extend(more.top_logprobs);
        self.text_offset.extend(more.text_offset);
    }
}

/// What a candidate stands by beside others: no two by the same.
fn key(candidate: &TopLogprob, others: &BTreeMap<String, f32>) -> String {
    let TopLogprob { token, bytes, .. } = candidate;
    let whole = !token.is_empty() && !token.contains(char::REPLACEMENT_CHARACTER);
    if whole && !others.contains_key(token) {
        return token.clone();
    }
    let bytes = bytes.as_deref().unwrap_or(token.as_bytes());
    let mut written = bytes.iter().fold("bytes:".to_owned(), |written, byte| format!("{written}\\x{byte:02x}"));
    // Tokens of the same bytes: a byte, and the letter that it is.
    while others.contains_key(&written) {
        written.push('\'');
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[test]
    fn offsets_count_characters_and_each_token_has_an_entry() {
        let top = |token: &str, logprob| TopLogprob { token: token.to_owned(), logprob, bytes: None };
        let entry = |token: &str, top_logprobs| TokenLogprob {
            token: token.to_owned(),
            logprob: -0.5,
            bytes: None,
            top_logprobs,
        };
        let mut logprobs = TextLogprobs::default();
        let next = logprobs.add("p".to_owned(), None, 0);
        let next = logprobs.push(entry("\u{1F600}", vec![top("x", -0.25), top("x", -2.0)]), next);
        let next = logprobs.push(entry("y", vec![]), next);
        assert_eq!(next, 3);
        let expected = json!({
            "tokens": ["p", "\u{1F600}", "y"], "token_logprobs": [null, -0.5, -0.5], "text_offset": [0, 1, 2],
            "top_logprobs": [null, {"x": -0.25, "bytes:\\x78": -2.0, "\u{1F600}": -0.5}, {"y": -0.5}]
        });
        assert_eq!(serde_json::to_value(logprobs).expect("it is JSON"), expected);
    }
    #[test]
    fn the_token_itself_stands_by_its_text_and_others_by_what_tells_them_apart() {
        let top = |token: &str, logprob, bytes: &[u8]| TopLogprob {
            token: token.to_owned(),
            logprob,
            bytes: Some(bytes.to_vec()),
        };
        let candidates = vec![
            top("", -0.5, b"\xe6\x97"),
            top("", -0.75, b"\xf0\x9f"),
            top("\u{FFFD}", -1.0, b"\x97"),
            top("A", -1.25, b"A"),
            top("A", -1.5, b"A"),
            top("A", -1.75, b"A"),
        ];
        let entry = TokenLogprob {
            token: String::new(),
            logprob: -0.5,
            bytes: Some(b"\xe6\x97".to_vec()),
            top_logprobs: candidates,
        };
        let mut logprobs = TextLogprobs::default();
        logprobs.push(entry, 0);
        let expected = json!({
            "": -0.5, "bytes:\\xf0\\x9f": -0.75, "bytes:\\x97": -1.0, "A": -1.25, "bytes:\\x41": -1.5, "bytes:\\x41'": -1.75
        });
        assert_eq!(serde_json::to_value(&logprobs.top_logprobs[0]).expect("it is JSON"), expected);
    }
}
