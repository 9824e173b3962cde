//! An unfinished response.

use std::sync::Arc;

use pad_api::{
    FinishReason, FunctionCall, IncompleteDetails, ObjectKind, OutputItem, Response, ResponseError, ResponseStatus,
    ToolCall, ToolKind,
};
use pad_text::Message;

use super::checked_request::{CheckedResponseRequest, RequestFields};
use super::conversation::assistant_message;
use super::output::{self, OutputChange, ResponseOutput};
use super::stored::{self, ResponseOwner, StoredResponse};
use crate::ApiError;
use crate::generation::envelope::Envelope;
use crate::generation::reader::AnswerPart;
use crate::generation::tally::Tally;
use crate::state::Shared;

/// The part that is being generated.
pub(super) struct ResponseDraft {
    shared: Arc<Shared>,
    conversation: Vec<Message>,
    owner: ResponseOwner,
    response: Response,
    output: ResponseOutput,
    /// Whether it may begin with a call.
    calls: bool,
    reason: Option<FinishReason>,
}

impl ResponseDraft {
    /// Nothing generated yet.
    pub(super) fn new(shared: Arc<Shared>, turn: CheckedResponseRequest) -> Self {
        let CheckedResponseRequest { options, conversation, owner, request_fields } = turn;
        let RequestFields { instructions, previous, store, text, tools, tool_choice, top_logprobs, .. } =
            request_fields;
        let Envelope { id, created, model, .. } = Envelope::new(&shared.state.model, "resp_");
        let response = Response {
            id,
            object: ObjectKind::Response,
            created_at: created,
            status: ResponseStatus::InProgress,
            background: false,
            error: None,
            incomplete_details: None,
            instructions,
            max_output_tokens: request_fields.max_output_tokens,
            model,
            output: Vec::new(),
            parallel_tool_calls: request_fields.parallel,
            previous_response_id: previous,
            store,
            temperature: request_fields.temperature,
            text,
            tool_choice,
            tools,
            top_logprobs,
            top_p: request_fields.top_p,
            truncation: "disabled".to_owned(),
            usage: None,
            metadata: request_fields.metadata,
        };
        let (output, calls) = (ResponseOutput::new(options.details, &response.tools), options.form.has_calls());
        Self { shared, conversation, owner, response, output, calls, reason: None }
    }

    /// Begin the message, unless the response may begin with a call.
    pub(super) fn open(&mut self) -> Vec<OutputChange> {
        if self.calls { Vec::new() } else { self.output.open_message() }
    }

    /// Adds the next text or call.
    pub(super) fn add(&mut self, part: AnswerPart) -> Vec<OutputChange> {
        if let Some(end) = part.end {
            self.reason = Some(end.reason);
        }
        self.output.add(part)
    }

    /// The response so far.
    pub(super) fn response(&self) -> &Response {
        &self.response
    }

    /// How it ended.
    pub(super) fn status(&self) -> ResponseStatus {
        self.reason.map_or(ResponseStatus::Incomplete, output::status)
    }

    /// The whole response, which is stored if it may be, before anybody can name it.
    pub(super) async fn finished(&mut self, tally: &Tally) -> Response {
        let status = self.status();
        self.response.status = status;
        self.response.output = self.output.items().to_vec();
        let reason = || IncompleteDetails { reason: "max_output_tokens".to_owned() };
        self.response.incomplete_details = (status == ResponseStatus::Incomplete).then(reason);
        self.response.usage = Some(tally.usage().into());
        if self.response.store {
            let mut conversation = std::mem::take(&mut self.conversation);
            conversation.push(self.turn());
            let stored = StoredResponse { response: self.response.clone(), conversation, person: None };
            self.response.store = stored::keep(&self.shared, &self.owner, &stored).await;
        }
        self.response.clone()
    }

    /// The text and the calls, as a turn of the conversation.
    fn turn(&self) -> Message {
        let (mut text, mut calls) = (String::new(), Vec::new());
        for item in self.output.items() {
            match item {
                OutputItem::Message(message) => message.content.iter().for_each(|part| text.push_str(&part.text)),
                OutputItem::FunctionCall(call) => calls.push(ToolCall {
                    id: call.call_id.clone(),
                    kind: ToolKind::Function,
                    function: FunctionCall { name: call.qualified_name(), arguments: call.arguments.clone() },
                }),
            }
        }
        assistant_message(text, calls)
    }

    /// The response that failed.
    pub(super) fn broken(&mut self, error: &ApiError) -> Response {
        self.response.status = ResponseStatus::Failed;
        let message = error.body().error.message;
        self.response.error = Some(ResponseError { code: "server_error".to_owned(), message });
        self.response.clone()
    }
}
