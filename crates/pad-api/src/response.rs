//! A response: OpenAI's newer shape of an answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{ChoicePad, CompletionTokensDetails, ObjectKind, PadUsage, PromptTokensDetails, Role, Usage};

/// A response, whole or as far as it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Response {
    /// Its id, which another request can name as `previous_response_id`.
    pub id: String,
    /// Always `response`.
    pub object: ObjectKind,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// How far it has come.
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
    /// One message, once there is any.
    pub output: Vec<OutputMessage>,
    /// Always true; of no use, since no tools are called here.
    pub parallel_tool_calls: bool,
    /// The response that it follows.
    #[schema(required)]
    pub previous_response_id: Option<String>,
    /// Whether it is remembered.
    pub store: bool,
    /// What was sampled with.
    pub temperature: f64,
    /// The text's format.
    pub text: TextOptions,
    /// Always `auto`.
    pub tool_choice: String,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    pub tools: Vec<Value>,
    /// What was sampled with.
    pub top_p: f64,
    /// Always `disabled`: a conversation that is too long is refused.
    pub truncation: String,
    /// What it cost, once it is over.
    #[schema(required)]
    pub usage: Option<ResponseUsage>,
    /// The request's.
    pub metadata: BTreeMap<String, String>,
}

/// How far a response has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// It is being generated.
    InProgress,
    /// It is over, by its own end.
    Completed,
    /// It is over, by its length.
    Incomplete,
    /// It broke off.
    Failed,
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
    /// Always `max_output_tokens`: that, the context or the server's time limit was reached.
    pub reason: String,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputMessage {
    /// Always `message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    pub id: String,
    /// How far it has come.
    pub status: ResponseStatus,
    /// Always `assistant`.
    pub role: Role,
    /// The text, in one part once there is any.
    pub content: Vec<OutputText>,
    /// Why each token was chosen, where `pad.trace` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<ChoicePad>,
}

/// A part of what the model says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputText {
    /// Always `output_text`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    pub text: String,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    pub annotations: Vec<Value>,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    pub logprobs: Vec<Value>,
}

impl OutputText {
    /// A part with this text.
    pub fn new(text: String) -> Self {
        Self { kind: "output_text".to_owned(), text, annotations: Vec::new(), logprobs: Vec::new() }
    }
}

/// The text's format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextOptions {
    /// The format.
    pub format: TextFormat,
}

/// A format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextFormat {
    /// Always `text`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What a response cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResponseUsage {
    /// Tokens of the conversation.
    pub input_tokens: u64,
    /// Those in detail.
    pub input_tokens_details: PromptTokensDetails,
    /// Tokens generated.
    pub output_tokens: u64,
    /// Those in detail.
    pub output_tokens_details: CompletionTokensDetails,
    /// Both together.
    pub total_tokens: u64,
    /// What steering did.
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

/// A response that was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedResponse {
    /// Its id.
    pub id: String,
    /// Always `response`.
    pub object: ObjectKind,
    /// Always true.
    pub deleted: bool,
}
