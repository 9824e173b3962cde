//! The events of a streamed response.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{OutputItem, OutputText, Response, TokenLogprob};

/// One event: its place in the stream, and what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResponseEvent {
    /// Counts the events from 0.
    pub sequence_number: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: ResponseEventKind,
}

/// What happened; `type` names it, and so does the event's `event:` line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum ResponseEventKind {
    /// The response was created.
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
    /// A message or a call starts.
    #[serde(rename = "response.output_item.added")]
    ItemAdded {
        /// Its place in the output.
        output_index: u64,
        /// The item so far.
        item: OutputItem,
    },
    /// The message's text starts.
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
    /// The next text.
    #[serde(rename = "response.output_text.delta")]
    Delta {
        /// The message's id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The part's place in the message.
        content_index: u64,
        /// The text.
        delta: String,
        /// The log-probabilities of its tokens, if requested.
        logprobs: Vec<TokenLogprob>,
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
        /// The log-probabilities of its tokens, if requested.
        logprobs: Vec<TokenLogprob>,
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
    /// The next part of a call's arguments.
    #[serde(rename = "response.function_call_arguments.delta")]
    Arguments {
        /// The call's item id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The part, which need not be complete JSON.
        delta: String,
    },
    /// A call's arguments are complete.
    #[serde(rename = "response.function_call_arguments.done")]
    ArgumentsDone {
        /// The call's item id.
        item_id: String,
        /// Its place in the output.
        output_index: u64,
        /// The function.
        name: String,
        /// The arguments as JSON.
        arguments: String,
    },
    /// A message or a call is complete.
    #[serde(rename = "response.output_item.done")]
    ItemDone {
        /// Its place in the output.
        output_index: u64,
        /// The item.
        item: OutputItem,
    },
    /// The response is complete.
    #[serde(rename = "response.completed")]
    Completed {
        /// The response.
        response: Box<Response>,
    },
    /// The response ended at a length limit.
    #[serde(rename = "response.incomplete")]
    Incomplete {
        /// The response.
        response: Box<Response>,
    },
    /// The response failed.
    #[serde(rename = "response.failed")]
    Failed {
        /// The response so far.
        response: Box<Response>,
    },
}

impl ResponseEventKind {
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
            Self::Arguments { .. } => "response.function_call_arguments.delta",
            Self::ArgumentsDone { .. } => "response.function_call_arguments.done",
            Self::ItemDone { .. } => "response.output_item.done",
            Self::Completed { .. } => "response.completed",
            Self::Incomplete { .. } => "response.incomplete",
            Self::Failed { .. } => "response.failed",
        }
    }
}
