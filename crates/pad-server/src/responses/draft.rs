//! A response as far as it has come.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pad_api::{
    ChoicePad, FinishReason, IncompleteDetails, ObjectKind, OutputMessage, OutputText, Response, ResponseError,
    ResponseStatus, Role, TextFormat, TextOptions,
};
use pad_text::Message;

use super::turn::Turn;
use crate::ApiError;
use crate::chat::reader::Part;
use crate::chat::tally::Tally;
use crate::state::Shared;

/// What is being said.
pub(super) struct Draft {
    shared: Arc<Shared>,
    conversation: Vec<Message>,
    owner: Option<[u8; 32]>,
    response: Response,
    message_id: String,
    text: String,
    pad: Option<ChoicePad>,
    reason: Option<FinishReason>,
}

impl Draft {
    /// Nothing said yet.
    pub(super) fn new(shared: Arc<Shared>, turn: Turn) -> Self {
        let Turn { options, conversation, instructions, previous, store, owner, .. } = turn;
        let created_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let response = Response {
            id: format!("resp_{:032x}", rand::random::<u128>()),
            object: ObjectKind::Response,
            created_at,
            status: ResponseStatus::InProgress,
            background: false,
            error: None,
            incomplete_details: None,
            instructions,
            max_output_tokens: turn.max_output_tokens,
            model: shared.state.model.id.clone(),
            output: Vec::new(),
            parallel_tool_calls: true,
            previous_response_id: previous,
            store,
            temperature: turn.temperature,
            text: TextOptions { format: TextFormat { kind: "text".to_owned() } },
            tool_choice: "auto".to_owned(),
            tools: Vec::new(),
            top_p: turn.top_p,
            truncation: "disabled".to_owned(),
            usage: None,
            metadata: turn.metadata,
        };
        Self {
            shared,
            conversation,
            owner,
            response,
            message_id: format!("msg_{:032x}", rand::random::<u128>()),
            text: String::new(),
            pad: options.details.trace.then(ChoicePad::default),
            reason: None,
        }
    }

    /// Take what is said next.
    pub(super) fn add(&mut self, part: Part) {
        self.text.push_str(&part.text);
        if let Some(pad) = &mut self.pad {
            pad.trace.extend(part.trace);
        }
        if let Some(end) = part.end {
            self.reason = Some(end.reason);
        }
    }

    /// The response so far.
    pub(super) fn response(&self) -> &Response {
        &self.response
    }

    /// The message's id.
    pub(super) fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The text so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The message with this content.
    pub(super) fn message(&self, status: ResponseStatus, content: Vec<OutputText>) -> OutputMessage {
        OutputMessage {
            kind: "message".to_owned(),
            id: self.message_id.clone(),
            status,
            role: Role::Assistant,
            content,
            pad: self.pad.clone().filter(|_| status != ResponseStatus::InProgress),
        }
    }

    /// How it ended.
    pub(super) fn status(&self) -> ResponseStatus {
        match self.reason {
            Some(FinishReason::Length) | None => ResponseStatus::Incomplete,
            Some(_) => ResponseStatus::Completed,
        }
    }

    /// The whole response, which is remembered if it may be.
    pub(super) fn finished(&mut self, tally: &Tally) -> Response {
        let status = self.status();
        self.response.status = status;
        self.response.output = vec![self.message(status, vec![OutputText::new(self.text.clone())])];
        let reason = || IncompleteDetails { reason: "max_output_tokens".to_owned() };
        self.response.incomplete_details = (status == ResponseStatus::Incomplete).then(reason);
        self.response.usage = Some(tally.usage().into());
        if self.response.store {
            let mut conversation = std::mem::take(&mut self.conversation);
            conversation.push(Message::new("assistant", self.text.clone()));
            self.shared.responses.keep(self.response.clone(), conversation, self.owner);
        }
        self.response.clone()
    }

    /// The response that broke off.
    pub(super) fn broken(&mut self, error: &ApiError) -> Response {
        self.response.status = ResponseStatus::Failed;
        let message = error.body().error.message;
        self.response.error = Some(ResponseError { code: "server_error".to_owned(), message });
        self.response.clone()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A response of this id that says nothing.
    pub(in crate::responses) fn response(id: &str) -> Response {
        Response {
            id: id.to_owned(),
            object: ObjectKind::Response,
            created_at: 0,
            status: ResponseStatus::Completed,
            background: false,
            error: None,
            incomplete_details: None,
            instructions: None,
            max_output_tokens: None,
            model: "m".to_owned(),
            output: Vec::new(),
            parallel_tool_calls: true,
            previous_response_id: None,
            store: true,
            temperature: 1.0,
            text: TextOptions { format: TextFormat { kind: "text".to_owned() } },
            tool_choice: "auto".to_owned(),
            tools: Vec::new(),
            top_p: 1.0,
            truncation: "disabled".to_owned(),
            usage: None,
            metadata: std::collections::BTreeMap::new(),
        }
    }
}
