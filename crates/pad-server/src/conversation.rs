//! From the messages of requests to those of chat templates.

use pad_api::{ChatMessage, Content, ToolCall};
use pad_text::Message;
use serde_json::{Map, Value, json};

use crate::ApiError;

/// The conversation of a request's `messages`.
///
/// # Errors
/// 400 where there are none.
pub(crate) fn conversation(messages: Vec<ChatMessage>) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` is empty; allowed: one message or more"));
    }
    Ok(template_messages(messages))
}

/// Messages as templates read them, if there are any.
pub(crate) fn template_messages(messages: Vec<ChatMessage>) -> Vec<Message> {
    messages.into_iter().map(template_message).collect()
}

/// What the user says last.
pub(crate) fn last_question(messages: &[Message]) -> Option<&str> {
    messages.iter().rev().find(|message| message.role == "user").map(|message| message.content.as_str())
}

fn template_message(mut message: ChatMessage) -> Message {
    let calls = message.take_calls();
    let optional = [
        ("name", message.name.map(Value::from)),
        ("tool_calls", (!calls.is_empty()).then(|| calls.into_iter().map(template_call).collect())),
        ("tool_call_id", message.tool_call_id.map(Value::from)),
    ];
    Message {
        role: message.role.template_name().to_owned(),
        content: message.content.map(Content::into_text).unwrap_or_default(),
        extra: optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>(),
    }
}

/// A call as templates read it: with arguments that are an object. Anything that is not JSON stays text.
pub(crate) fn template_call(call: ToolCall) -> Value {
    let arguments = call.function.arguments;
    let arguments = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
    json!({"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}})
}
