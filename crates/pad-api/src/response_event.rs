//! The events of a streamed response.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{OutputMessage, OutputText, Response};

/// One event: its place in the stream, and what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResponseEvent {
    /// Counts the events from 0.
    pub sequence_number: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened; `type` names it, and so does the event's `event:` line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum Happening {
    /// The response was made.
    #[serde(rename = "response.created")]
    Created {
        /// The response so far.
        response: Box<Response>,
    },
    /// It is being generated.
    #[serde(rename = "response.in_progress")]
    InProgress {
        /// The response so far.
        response: Box<Response>,
    },
    /// The message begins.
    #[serde(rename = "response.output_item.added")]
    ItemAdded {
        /// Its place in the output.
        output_index: u64,
        /// The message so far.
        item: OutputMessage,
    },
    /// The message's text begins.
    #[serde(rename = "response.content_part.added")]
    PartAdded {
        /// The message's id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The part's place in the message.
        content_index: u64,
        /// The part so far.
        part: OutputText,
    },
    /// The next words.
    #[serde(rename = "response.output_text.delta")]
    Delta {
        /// The message's id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The part's place in the message.
        content_index: u64,
        /// The words.
        delta: String,
        /// Always empty.
        #[schema(value_type = Vec<Object>)]
        logprobs: Vec<Value>,
    },
    /// The text is complete.
    #[serde(rename = "response.output_text.done")]
    TextDone {
        /// The message's id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The part's place in the message.
        content_index: u64,
        /// The whole text.
        text: String,
        /// Always empty.
        #[schema(value_type = Vec<Object>)]
        logprobs: Vec<Value>,
    },
    /// The part is complete.
    #[serde(rename = "response.content_part.done")]
    PartDone {
        /// The message's id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The part's place in the message.
        content_index: u64,
        /// The part.
        part: OutputText,
    },
    /// The message is complete.
    #[serde(rename = "response.output_item.done")]
    ItemDone {
        /// Its place in the output.
        output_index: u64,
        /// The message.
        item: OutputMessage,
    },
    /// The response is over, by its own end.
    #[serde(rename = "response.completed")]
    Completed {
        /// The response.
        response: Box<Response>,
    },
    /// The response is over, by its length.
    #[serde(rename = "response.incomplete")]
    Incomplete {
        /// The response.
        response: Box<Response>,
    },
    /// The response broke off.
    #[serde(rename = "response.failed")]
    Failed {
        /// The response so far.
        response: Box<Response>,
    },
}

impl Happening {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "response.created",
            Self::InProgress { .. } => "response.in_progress",
            Self::ItemAdded { .. } => "response.output_item.added",
            Self::PartAdded { .. } => "response.content_part.added",
            Self::Delta { .. } => "response.output_text.delta",
            Self::TextDone { .. } => "response.output_text.done",
            Self::PartDone { .. } => "response.content_part.done",
            Self::ItemDone { .. } => "response.output_item.done",
            Self::Completed { .. } => "response.completed",
            Self::Incomplete { .. } => "response.incomplete",
            Self::Failed { .. } => "response.failed",
        }
    }
}
