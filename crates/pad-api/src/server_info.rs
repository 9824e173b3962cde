//! Information about the server, for programs that expect vLLM or `SGLang`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /tokenizer_info`, in the shape of vLLM's: what a client needs to know about the tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenizerInfo {
    /// The class that loads such tokenizers.
    #[schema(example = "PreTrainedTokenizerFast")]
    pub tokenizer_class: String,
    /// The token that starts a text, if the model has one.
    #[schema(required)]
    pub bos_token: Option<String>,
    /// The token that ends a text, if the model has one.
    #[schema(required)]
    pub eos_token: Option<String>,
    /// The padding token: the same as the end token, since this server does not pad.
    #[schema(required)]
    pub pad_token: Option<String>,
    /// The chat template, a Jinja program.
    pub chat_template: String,
    /// Maximum number of tokens of a prompt and its answer together.
    pub model_max_length: u64,
    /// Number of tokens in the vocabulary.
    pub vocab_size: u64,
}

/// `GET /model_info`, in the shape of `SGLang`'s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelInfo {
    /// The served model's id.
    pub model_path: String,
    /// The same: the tokenizer comes with the model.
    pub tokenizer_path: String,
    /// Always true.
    pub is_generation: bool,
    /// Always false.
    pub has_image_understanding: bool,
    /// Always false.
    pub has_audio_understanding: bool,
    /// Changes with the version, the weights and the settings that affect the generated text.
    pub weight_version: String,
}

/// `GET /server_info`, in the shape of `SGLang`'s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerInfo {
    /// The served model's id.
    pub model_path: String,
    /// The same.
    pub served_model_name: String,
    /// The server's version.
    pub version: String,
    /// Maximum number of tokens of a prompt and its answer together.
    pub context_length: u64,
    /// Tokens that the KV cache holds.
    pub max_total_num_tokens: u64,
    /// Choices that may run and wait together.
    pub max_running_requests: u64,
    /// Always 1.
    pub tp_size: u64,
    /// Always 1.
    pub dp_size: u64,
}

/// `GET /v1/loads`, in the shape of `SGLang`'s: the server's load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LoadList {
    /// The server's version.
    pub version: String,
    /// Always 1.
    pub dp_rank_count: u64,
    /// One entry.
    pub loads: Vec<Load>,
    /// The sums over the entries.
    pub aggregate: LoadSum,
}

/// The engine's load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Load {
    /// Always 0.
    pub dp_rank: u64,
    /// Choices being decoded.
    pub num_running_reqs: u64,
    /// Choices that wait.
    pub num_waiting_reqs: u64,
    /// Both together.
    pub num_total_reqs: u64,
    /// Tokens in use in the KV cache.
    pub num_used_tokens: u64,
    /// Tokens that the KV cache holds.
    pub max_total_num_tokens: u64,
    /// The share in use, 0 to 1.
    pub token_usage: f64,
    /// Choices that may run and wait together.
    pub max_running_requests: u64,
    /// The share of those that run or wait, 0 to 1.
    pub utilization: f64,
}

/// The sums over the entries of a [`LoadList`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LoadSum {
    /// Choices being decoded.
    pub total_running_reqs: u64,
    /// Choices that wait.
    pub total_waiting_reqs: u64,
    /// Both together.
    pub total_reqs: u64,
    /// The share of the KV cache in use, 0 to 1.
    pub avg_token_usage: f64,
    /// The share of the places in the queue that are taken, 0 to 1.
    pub avg_utilization: f64,
}
