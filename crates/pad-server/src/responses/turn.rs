//! A request for a response whose every value was checked, and the conversation that it continues.

use std::collections::BTreeMap;

use pad_api::{ChatRequest, ResponseInput, ResponseRequest};
use pad_text::Message;

use crate::ApiError;
use crate::auth::Caller;
use crate::chat::options::ChatOptions;
use crate::state::Shared;

/// Notes of a client's: OpenAI's bounds.
const MOST_NOTES: usize = 16;
const LONGEST_NOTE: usize = 512;

/// What a request asks for.
pub(super) struct Turn {
    /// What it has in common with a chat.
    pub(super) options: ChatOptions,
    /// The conversation up to the answer, without instructions.
    pub(super) conversation: Vec<Message>,
    pub(super) instructions: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) store: bool,
    pub(super) owner: Option<[u8; 32]>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) temperature: f64,
    pub(super) top_p: f64,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Turn {
    /// Check a request's values, and find the conversation that it follows.
    ///
    /// # Errors
    /// 404 for another model's name or a response that is not remembered, 400 naming the field that is wrong.
    pub(super) fn read(request: ResponseRequest, shared: &Shared, caller: &Caller) -> Result<Self, ApiError> {
        let state = &shared.state;
        let metadata = request.metadata.unwrap_or_default();
        let long = |(name, note): (&String, &String)| name.len().max(note.len()) > LONGEST_NOTE;
        if metadata.len() > MOST_NOTES || metadata.iter().any(long) {
            let message = format!("`metadata` is too large; allowed: {MOST_NOTES} notes of {LONGEST_NOTE} bytes");
            return Err(ApiError::invalid("metadata", message));
        }
        let mut conversation = match &request.previous_response_id {
            None => Vec::new(),
            Some(id) => {
                let kept = shared.responses.find(id, caller.owner());
                kept.ok_or_else(|| ApiError::response_not_found(id).about("previous_response_id"))?.conversation.clone()
            }
        };
        let said = match request.input {
            ResponseInput::Text(text) => vec![Message::new("user", text)],
            ResponseInput::Messages(messages) => {
                let message =
                    |message: pad_api::InputMessage| Message::new(message.role.template_name(), message.content.0);
                messages.into_iter().map(message).collect()
            }
        };
        if said.is_empty() {
            return Err(ApiError::invalid("input", "`input` is empty; allowed: a string, or one message or more"));
        }
        conversation.extend(said);
        let system = request.instructions.as_ref().map(|instructions| Message::new("system", instructions.clone()));
        let read: Vec<Message> = system.into_iter().chain(conversation.iter().cloned()).collect();
        let chat = ChatRequest {
            model: request.model,
            max_tokens: request.max_output_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            seed: request.seed,
            stream: request.stream,
            preference: request.preference,
            pad: request.pad,
            ..ChatRequest::default()
        };
        Ok(Self {
            options: ChatOptions::of(chat, vec![read.into()], state)?,
            conversation,
            instructions: request.instructions,
            previous: request.previous_response_id,
            store: request.store.unwrap_or(true),
            owner: caller.owner(),
            max_output_tokens: request.max_output_tokens,
            temperature: request.temperature.unwrap_or_else(|| f64::from(state.defaults.temperature)),
            top_p: request.top_p.unwrap_or_else(|| f64::from(state.defaults.top_p)),
            metadata,
        })
    }
}
