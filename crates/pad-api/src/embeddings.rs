//! `POST /v1/embeddings`: texts as vectors, in OpenAI's shape.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::objects;
use crate::{ObjectKind, Prompt};

/// Texts to embed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"model": "smollm2-135m-instruct", "input": ["The sky is blue.", "Rain is wet."]}))]
pub struct EmbeddingsRequest {
    /// A text, an array of texts, token ids, or an array of arrays of token ids; 2048 texts at most. Each is embedded on its own.
    pub input: Prompt,
    /// The served model's id or an alias of it; absent means the served model.
    pub model: Option<String>,
    /// How the numbers are written; absent means `float`.
    pub encoding_format: Option<EncodingFormat>,
    /// Numbers of an embedding, which is refused: they are as many as the model's hidden size.
    pub dimensions: Option<u64>,
    /// Keeps what is cached of the texts apart: only requests with the same salt (and key) find it. Not empty.
    #[schema(min_length = 1)]
    pub cache_salt: Option<String>,
}

/// How an embedding's numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// As an array of numbers.
    #[default]
    Float,
    /// As a string: the base64 of 32-bit floats, least significant byte first.
    Base64,
}

/// The texts' embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "object": "list", "model": "smollm2-135m-instruct", "data": [{"object": "embedding", "index": 0, "embedding": [0.6, -0.8]}],
    "usage": {"prompt_tokens": 5, "total_tokens": 5}
}))]
pub struct Embeddings {
    /// Always `list`.
    pub object: ObjectKind,
    /// One for each text, in their order.
    pub data: Vec<Embedding>,
    /// The served model's id.
    pub model: String,
    /// What the request cost.
    pub usage: EmbeddingsUsage,
}

/// The embedding of one text: the mean of the base model's last hidden states over the text's tokens, of length 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: ObjectKind,
    /// Which of the texts it is.
    pub index: u64,
    /// The numbers.
    pub embedding: EmbeddingNumbers,
}

/// The numbers of an embedding, as many as the model's hidden size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EmbeddingNumbers {
    /// `float`.
    Float(Vec<f32>),
    /// `base64`.
    Base64(String),
}

/// Tokens of a request for embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingsUsage {
    /// Tokens of all texts.
    pub prompt_tokens: u64,
    /// The same: nothing is generated.
    pub total_tokens: u64,
}

objects! {
    EmbeddingsRequest: "an object with `input`",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::from_slice;

    #[test]
    fn a_request_is_read_and_what_is_wrong_is_named() {
        let read = |body: &serde_json::Value| from_slice::<EmbeddingsRequest>(body.to_string().as_bytes());
        let request = read(&json!({"input": "a", "encoding_format": "base64", "user": "u"})).expect("a request");
        assert_eq!(
            (request.value.encoding_format, &request.ignored[..]),
            (Some(EncodingFormat::Base64), &["user".to_owned()][..])
        );
        for (body, param) in [
            (json!({}), "input"),
            (json!({"input": 5}), "input"),
            (json!({"input": ["a", 1]}), "input[1]"),
            (json!({"input": "a", "encoding_format": "int8"}), "encoding_format"),
            (json!({"input": "a", "dimensions": "many"}), "dimensions"),
        ] {
            assert_eq!(read(&body).expect_err("refused").param.as_deref(), Some(param), "{body}");
        }
    }
}
