//! The output items of a response: messages and function calls.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::response_tool::qualified;
use crate::{ChoicePad, ResponseStatus, Role, TokenLogprob};

/// An item of a response; `type` names its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// The model's message.
    Message(OutputMessage),
    /// A function that it calls.
    FunctionCall(OutputCall),
}

/// The model's message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputMessage {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: ResponseStatus,
    /// Always `assistant`.
    pub role: Role,
    /// The text, in one part once there is any.
    pub content: Vec<OutputText>,
    /// Why each token was chosen, if requested by `pad.trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<ChoicePad>,
}

/// A function call. Its result goes into the input of the next response, as a `function_call_output` with the same `call_id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputCall {
    /// The item's id.
    pub id: String,
    /// The call's id.
    pub call_id: String,
    /// The function.
    pub name: String,
    /// The namespace of its tool, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its arguments as JSON, as far as they are generated.
    pub arguments: String,
    /// Its status.
    pub status: ResponseStatus,
    /// Why each token was chosen, if requested by `pad.trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<ChoicePad>,
}

impl OutputCall {
    /// The name under which the model knows the function.
    pub fn qualified_name(&self) -> String {
        qualified(self.namespace.as_deref(), &self.name)
    }
}

/// A part of the model's message.
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
    /// The log-probabilities of its tokens, if requested. The tokens, joined, are the text.
    pub logprobs: Vec<TokenLogprob>,
}

impl OutputText {
    /// A part with this text.
    pub fn new(text: String) -> Self {
        Self { kind: "output_text".to_owned(), text, annotations: Vec::new(), logprobs: Vec::new() }
    }
}
