//! Log-probabilities of a completion's tokens, in the older of OpenAI's two shapes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::TokenLogprob;

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
    /// By text, the log-probabilities of the most probable candidates and of the token itself; null if there are none.
    pub top_logprobs: Vec<Option<BTreeMap<String, f32>>>,
    /// Where each token starts in the choice's text, in characters.
    pub text_offset: Vec<usize>,
}

impl TextLogprobs {
    /// Add a token that begins at character `offset`; tells where the next one begins.
    pub fn push(&mut self, entry: TokenLogprob, offset: usize) -> usize {
        let mut top = BTreeMap::new();
        // Best first: where two candidates are spelled alike, the better one counts.
        for candidate in entry.top_logprobs {
            top.entry(candidate.token).or_insert(candidate.logprob);
        }
        top.entry(entry.token.clone()).or_insert(entry.logprob);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::TopLogprob;

    #[test]
    fn offsets_count_characters_and_the_better_of_two_alike_counts() {
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
            "top_logprobs": [null, {"x": -0.25, "\u{1F600}": -0.5}, {"y": -0.5}]
        });
        assert_eq!(serde_json::to_value(logprobs).expect("it is JSON"), expected);
    }
}
