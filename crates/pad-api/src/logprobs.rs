//! Log-probabilities of generated tokens, as OpenAI shapes them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Log-probabilities of a choice's tokens; in a stream, of those whose text is complete with this chunk.
///
/// They are natural logarithms of the distribution that the choice was sampled from, before `temperature`, `min_p`, `top_k` and
/// `top_p`: softmax of the scores over the `pad.top_k` candidates, after biases, penalties and steering. (`pad.trace` tells the
/// base model's.)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Logprobs {
    /// One entry per token of the text, end tokens left out. The `token`s joined are the text.
    pub content: Vec<TokenLogprob>,
    /// Always null: a refusal is part of the text.
    #[schema(required)]
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// A generated token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "token": " Paris", "logprob": -0.02, "bytes": [32, 80, 97, 114, 105, 115],
    "top_logprobs": [{"token": " Paris", "logprob": -0.02, "bytes": [32, 80, 97, 114, 105, 115]}]
}))]
pub struct TokenLogprob {
    /// The text that it added: empty if it leaves a character incomplete, the whole character if it completes one. Truncated
    /// at a stop string.
    pub token: String,
    /// Its log-probability, in nats; -9999 represents minus infinity.
    pub logprob: f32,
    /// Its bytes, which need not be complete characters; null for a control token, which has no text.
    #[schema(required, value_type = Option<Vec<u32>>)]
    pub bytes: Option<Vec<u8>>,
    /// The candidates with the highest probability, up to `top_logprobs` of them.
    pub top_logprobs: Vec<TopLogprob>,
}

/// A candidate at a token's position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopLogprob {
    /// The text that it would have added; for a control token its name.
    pub token: String,
    /// Its log-probability, in nats; -9999 represents minus infinity.
    pub logprob: f32,
    /// Its bytes, which need not be complete characters; null for a control token.
    #[schema(required, value_type = Option<Vec<u32>>)]
    pub bytes: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shape_is_openais() {
        let top = TopLogprob { token: "<|im_end|>".to_owned(), logprob: -0.5, bytes: None };
        let bytes = Some("é".as_bytes().to_vec());
        let entry = TokenLogprob { token: "é".to_owned(), logprob: -1.0, bytes, top_logprobs: vec![top] };
        let expected = json!({
            "content": [{
                "token": "é", "logprob": -1.0, "bytes": [195, 169],
                "top_logprobs": [{"token": "<|im_end|>", "logprob": -0.5, "bytes": null}]
            }],
            "refusal": null
        });
        let logprobs = Logprobs { content: vec![entry], refusal: None };
        assert_eq!(serde_json::to_value(&logprobs).expect("it is JSON"), expected);
        assert_eq!(serde_json::from_value::<Logprobs>(expected).expect("it reads back"), logprobs);
    }
}
