//! The conversation that a response continues, in the form of chat templates.

use pad_api::{FunctionCall, InputItem, ResponseInput, ToolCall, ToolKind};
use pad_text::Message;
use serde_json::Value;

use crate::conversation::template_call;

const ASSISTANT: &str = "assistant";
pub(super) const CALLS: &str = "tool_calls";

/// Append the input. Calls join the assistant's turn that they are part of.
pub(super) fn extend(conversation: &mut Vec<Message>, input: ResponseInput) {
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
                let function = FunctionCall { name: call.qualified_name(), arguments: call.arguments };
                let call = ToolCall { id: call.call_id, kind: ToolKind::Function, function };
                match conversation[first..].last_mut() {
                    Some(turn) if turn.role == ASSISTANT => add_call(turn, call),
                    _ => conversation.push(assistant_message(String::new(), vec![call])),
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

fn add_call(turn: &mut Message, call: ToolCall) {
    let calls = turn.extra.entry(CALLS).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(calls) = calls {
        calls.push(template_call(call));
    }
}

/// A turn of the assistant's.
pub(super) fn assistant_message(text: String, calls: Vec<ToolCall>) -> Message {
    let mut turn = Message::new(ASSISTANT, text);
    calls.into_iter().for_each(|call| add_call(&mut turn, call));
    turn
}
