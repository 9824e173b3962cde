//! Information about the server, for programs that expect vLLM or `SGLang`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /tokenizer_info`, in the shape of vLLM's: what a client needs to know of the tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenizerInfo {
    /// The class that reads such tokenizers.
    #[schema(example = "PreTrainedTokenizerFast")]
    pub tokenizer_class: String,
    /// The token that begins a text, where the model has one.
    #[schema(required)]
    pub bos_token: Option<String>,
    /// The token that ends a text, where the model has one.
    #[schema(required)]
    pub eos_token: Option<String>,
    /// The token that fills up a batch, which is the one that ends a text: this server fills up nothing.
    #[schema(required)]
    pub pad_token: Option<String>,
    /// The chat template, a Jinja program.
    pub chat_template: String,
    /// Tokens that a prompt and its answer may have together.
    pub model_max_length: u64,
    /// Tokens that there are.
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
    /// Changes with the version, the weights and the settings that decide what is generated.
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
    /// Tokens that a prompt and its answer may have together.
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

/// `GET /v1/loads`, in the shape of `SGLang`'s: how busy the server is.
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

/// How busy the engine is.
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
    /// Tokens whose place in the KV cache is held.
    pub num_used_tokens: u64,
    /// Tokens that the KV cache holds.
    pub max_total_num_tokens: u64,
    /// The share that is held, 0 to 1.
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
    /// The share of the KV cache that is held, 0 to 1.
    pub avg_token_usage: f64,
    /// The share of the places in the queue that are taken, 0 to 1.
    pub avg_utilization: f64,
}
