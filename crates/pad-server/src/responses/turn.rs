//! A request for a response whose every value was checked, and the conversation that it continues.

use std::collections::BTreeMap;

use pad_api::{
    ChatRequest, FunctionCall, InputItem, ResponseFormatKind, ResponseInput, ResponseRequest, ResponseTool,
    ResponseToolChoice, TextFormat, TextOptions, ToolCall, ToolKind,
};
use pad_text::Message;
use serde_json::Value;

use crate::ApiError;
use crate::auth::Caller;
use crate::generation::options::{self, GenerationOptions};
use crate::state::Shared;

/// Notes of a client's: OpenAI's bounds.
const MOST_NOTES: usize = 16;
const LONGEST_NOTE: usize = 512;
/// Asks for log-probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// What a request asks for.
pub(super) struct Turn {
    /// What it has in common with a chat.
    pub(super) options: GenerationOptions,
    /// The conversation up to the answer, without instructions.
    pub(super) conversation: Vec<Message>,
    pub(super) owner: Option<[u8; 32]>,
    pub(super) echo: Echo,
}

/// What a response tells of its request.
pub(super) struct Echo {
    pub(super) instructions: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) store: bool,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) temperature: f64,
    pub(super) top_p: f64,
    pub(super) text: TextOptions,
    pub(super) tools: Vec<ResponseTool>,
    pub(super) tool_choice: ResponseToolChoice,
    pub(super) parallel: bool,
    pub(super) top_logprobs: u64,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Turn {
    /// Check a request's values, and find the conversation that it follows.
    ///
    /// # Errors
    /// 404 for another model's name or a response that is not remembered, 400 naming the field that is wrong.
    pub(super) fn read(request: ResponseRequest, shared: &Shared, caller: &Caller) -> Result<Self, ApiError> {
        refuse_stored(&request)?;
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
        let said = conversation.len();
        extend(&mut conversation, request.input);
        if conversation.len() == said {
            return Err(ApiError::invalid("input", "`input` is empty; allowed: a string, or one item or more"));
        }
        let system = request.instructions.as_ref().map(|instructions| Message::new("system", instructions.clone()));
        let read: Vec<Message> = system.into_iter().chain(conversation.iter().cloned()).collect();
        let format = request.text.and_then(|text| text.format).unwrap_or_else(TextFormat::text);
        check_format(&format)?;
        let (tools, tool_choice) = (request.tools.unwrap_or_default(), request.tool_choice);
        let top = request.top_logprobs.unwrap_or(0);
        let logprobs = top > 0 || request.include.iter().flatten().any(|what| what == LOGPROBS);
        let chat = ChatRequest {
            model: request.model,
            max_tokens: request.max_output_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            seed: request.seed,
            stream: request.stream,
            response_format: Some(format.clone().into()),
            tools: Some(tools.iter().cloned().map(Into::into).collect()),
            tool_choice: tool_choice.clone().map(|choice| choice.0),
            parallel_tool_calls: request.parallel_tool_calls,
            logprobs: Some(logprobs),
            top_logprobs: logprobs.then_some(top),
            preference: request.preference,
            pad: request.pad,
            ..ChatRequest::default()
        };
        let echo = Echo {
            instructions: request.instructions,
            previous: request.previous_response_id,
            store: request.store.unwrap_or(true),
            max_output_tokens: request.max_output_tokens,
            temperature: request.temperature.unwrap_or_else(|| f64::from(state.defaults.temperature)),
            top_p: request.top_p.unwrap_or_else(|| f64::from(state.defaults.top_p)),
            text: TextOptions { format: Some(format) },
            tools,
            tool_choice: tool_choice.unwrap_or_default(),
            parallel: request.parallel_tool_calls.unwrap_or(true),
            top_logprobs: top,
            metadata,
        };
        let options = GenerationOptions::of(chat, vec![read.into()], state)?;
        Ok(Self { options, conversation, owner: caller.owner(), echo })
    }
}

/// The fields of a response for those of a chat, whose rules it shares.
pub(super) fn renamed(error: ApiError) -> ApiError {
    error
        .renamed("messages", "input")
        .renamed("max_tokens", "max_output_tokens")
        .renamed("response_format.json_schema", "text.format")
        .without(".function")
}

fn refuse_stored(request: &ResponseRequest) -> Result<(), ApiError> {
    let stored = [
        ("conversation", request.conversation.is_some(), "conversations are followed by `previous_response_id`"),
        ("prompt", request.prompt.is_some(), "no prompts are stored here; allowed: `instructions`"),
    ];
    match stored.into_iter().find(|(_, given, _)| *given) {
        Some((name, _, instead)) => Err(ApiError::invalid(name, format!("`{name}` is given: {instead}"))),
        None => Ok(()),
    }
}

fn check_format(format: &TextFormat) -> Result<(), ApiError> {
    let missing = match (format.kind, &format.name, &format.schema) {
        (ResponseFormatKind::JsonSchema, None, _) => "name",
        (ResponseFormatKind::JsonSchema, _, None) => "schema",
        _ => return Ok(()),
    };
    let param = format!("text.format.{missing}");
    Err(ApiError::invalid(&param, format!("`{param}` is absent; a `json_schema` has a `name` and a `schema`")))
}

/// Append what is put in. Calls join the assistant's turn that they are part of.
fn extend(conversation: &mut Vec<Message>, input: ResponseInput) {
    let items = match input {
        ResponseInput::Text(text) => return conversation.push(Message::new("user", text)),
        ResponseInput::Items(items) => items,
    };
    let first = conversation.len();
    for item in items {
        match item {
            InputItem::Message(message) => {
                conversation.push(Message::new(message.role.template_name(), message.content.0));
            }
            InputItem::Call(call) => {
                let function = FunctionCall { name: call.name, arguments: call.arguments };
                let call = ToolCall { id: call.call_id, kind: ToolKind::Function, function };
                match conversation[first..].last_mut() {
                    Some(turn) if turn.role == ASSISTANT => add_call(turn, call),
                    _ => conversation.push(answered(String::new(), vec![call])),
                }
            }
            InputItem::Output(output) => {
                let mut message = Message::new("tool", output.output.0);
                message.extra.insert("tool_call_id".to_owned(), output.call_id.into());
                conversation.push(message);
            }
        }
    }
}

const ASSISTANT: &str = "assistant";
const CALLS: &str = "tool_calls";

fn add_call(turn: &mut Message, call: ToolCall) {
    let calls = turn.extra.entry(CALLS).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(calls) = calls {
        calls.push(options::call(call));
    }
}

/// A turn of the assistant's.
pub(super) fn answered(text: String, calls: Vec<ToolCall>) -> Message {
    let mut turn = Message::new(ASSISTANT, text);
    calls.into_iter().for_each(|call| add_call(&mut turn, call));
    turn
}
