//! A response: OpenAI's newer shape of an answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    CompletionTokensDetails, ObjectKind, OutputItem, PadUsage, PromptTokensDetails, ResponseStatus, ResponseTool,
    ResponseToolChoice, TextOptions, Usage,
};

/// A response, complete or in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Response {
    /// Its id, which another request can name as `previous_response_id`.
    pub id: String,
    /// Always `response`.
    pub object: ObjectKind,
    /// When it was created, in seconds since 1970.
    pub created_at: u64,
    /// Its status.
    pub status: ResponseStatus,
    /// Always false: there is no background mode.
    pub background: bool,
    /// Why it failed, if it did.
    #[schema(required)]
    pub error: Option<ResponseError>,
    /// Why it is incomplete, if it is.
    #[schema(required)]
    pub incomplete_details: Option<IncompleteDetails>,
    /// The request's.
    #[schema(required)]
    pub instructions: Option<String>,
    /// The request's.
    #[schema(required)]
    pub max_output_tokens: Option<u64>,
    /// The served model's id.
    pub model: String,
    /// The message, then the calls; empty while the response is being generated.
    pub output: Vec<OutputItem>,
    /// Whether it may contain several calls.
    pub parallel_tool_calls: bool,
    /// The response that it continues.
    #[schema(required)]
    pub previous_response_id: Option<String>,
    /// Whether it is stored.
    pub store: bool,
    /// The value used for sampling.
    pub temperature: f64,
    /// The text's form.
    pub text: TextOptions,
    /// The request's.
    pub tool_choice: ResponseToolChoice,
    /// The request's.
    pub tools: Vec<ResponseTool>,
    /// The request's; 0 if it had none.
    pub top_logprobs: u64,
    /// The value used for sampling.
    pub top_p: f64,
    /// Always `disabled`: a conversation that is too long is rejected.
    pub truncation: String,
    /// Its usage, once it is complete.
    #[schema(required)]
    pub usage: Option<ResponseUsage>,
    /// The request's.
    pub metadata: BTreeMap<String, String>,
}

/// Why a response failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponseError {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Why a response is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncompleteDetails {
    /// Always `max_output_tokens`: this limit, the context or the server's time limit was reached.
    pub reason: String,
}

/// The usage of a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResponseUsage {
    /// Tokens of the conversation.
    pub input_tokens: u64,
    /// Their details.
    pub input_tokens_details: PromptTokensDetails,
    /// Tokens generated.
    pub output_tokens: u64,
    /// Their details.
    pub output_tokens_details: CompletionTokensDetails,
    /// Both together.
    pub total_tokens: u64,
    /// The effect of steering.
    pub pad: PadUsage,
}

impl From<Usage> for ResponseUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: usage.prompt_tokens_details,
            output_tokens: usage.completion_tokens,
            output_tokens_details: usage.completion_tokens_details.unwrap_or_default(),
            total_tokens: usage.total_tokens,
            pad: usage.pad,
        }
    }
}

/// A deleted response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedResponse {
    /// Its id.
    pub id: String,
    /// Always `response`.
    pub object: ObjectKind,
    /// Always true.
    pub deleted: bool,
}
