//! Tools in plain text, for models whose template does not support them.
//!
//! The system turn lists the tools and explains how to call them, calls are in the assistant's turns, and results are in turns of
//! the user, as most templates know no other role.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::call;
use crate::json::python;
use crate::{Message, TextError};

/// The conversation without tools, calls and roles that only some templates know.
///
/// # Errors
/// [`TextError::TemplateRender`] for a description that has no JSON form.
pub(crate) fn told<'a>(messages: &'a [Message], tools: &[Value]) -> Result<Cow<'a, [Message]>, TextError> {
    let plain = |message: &Message| message.role != TOOL && !message.extra.contains_key(CALLS);
    if tools.is_empty() && messages.iter().all(plain) {
        return Ok(Cow::Borrowed(messages));
    }
    let mut told: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    if !tools.is_empty() {
        let mut system = Message::new("system", described(tools)?);
        if let Some(first) = messages.first().filter(|first| first.role == "system") {
            system.content = format!("{}\n\n{}", first.content, system.content);
        }
        told.push(system);
    }
    let first = usize::from(!tools.is_empty() && messages.first().is_some_and(|first| first.role == "system"));
    let mut answering = false;
    for message in &messages[first..] {
        let is_answer = message.role == TOOL;
        match told.last_mut() {
            // Several results are one turn: most templates want turns to alternate.
            Some(last) if is_answer && answering => last.content = format!("{}\n{}", last.content, answer(message)),
            _ if is_answer => told.push(Message::new("user", answer(message))),
            _ => told.push(with_calls(message)?),
        }
        answering = is_answer;
    }
    Ok(Cow::Owned(told))
}

/// The role of a tool's answer.
const TOOL: &str = "tool";
/// The field of an assistant's calls.
const CALLS: &str = "tool_calls";

fn described(tools: &[Value]) -> Result<String, TextError> {
    let lines: Result<Vec<String>, TextError> = tools.iter().map(spelled).collect();
    let form = call::written("NAME", "ARGUMENTS");
    Ok(format!(
        "You can call functions. Each line describes one:\n<tools>\n{}\n</tools>\nTo call a function, write its name and a JSON object of \
         arguments that fits its parameters, in this form and with nothing after it:\n{form}\nIts result then comes in \
         <tool_response></tool_response>. Where no function is needed, answer in plain words.",
        lines?.join("\n")
    ))
}

fn answer(message: &Message) -> String {
    format!("<tool_response>\n{}\n</tool_response>", message.content)
}

/// An assistant's turn with its calls written out.
fn with_calls(message: &Message) -> Result<Message, TextError> {
    let mut plain = message.clone();
    let Some(Value::Array(calls)) = plain.extra.remove(CALLS) else { return Ok(plain) };
    for call in &calls {
        let function = call.get("function").unwrap_or(call);
        let nothing = Value::Object(Map::new());
        let arguments = spelled(function.get("arguments").unwrap_or(&nothing))?;
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        let before = if plain.content.is_empty() { "" } else { call::BETWEEN };
        plain.content = format!("{}{before}{}", plain.content, call::written(name, &arguments));
    }
    Ok(plain)
}

fn spelled(value: &Value) -> Result<String, TextError> {
    python(value).map_err(|error| TextError::TemplateRender(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(role: &str, content: &str, extra: &Value) -> Message {
        Message { extra: extra.as_object().cloned().unwrap_or_default(), ..Message::new(role, content) }
    }

    fn turns(messages: &[Message], tools: &[Value]) -> Vec<(String, String)> {
        let told = told(messages, tools).unwrap();
        assert!(told.iter().all(|message| !message.extra.contains_key(CALLS)));
        told.iter().map(|message| (message.role.clone(), message.content.clone())).collect()
    }

    #[test]
    fn a_conversation_without_tools_is_as_it_came() {
        let messages = [turn("system", "S", &json!({})), turn("user", "U", &json!({"name": "ann"}))];
        assert!(matches!(told(&messages, &[]).unwrap(), Cow::Borrowed(same) if same == messages));
    }

    #[test]
    fn the_system_describes_the_tools() {
        let tools = [json!({"type": "function", "function": {"name": "f"}})];
        let told = turns(&[turn("user", "U", &json!({}))], &tools);
        assert_eq!((told[0].0.as_str(), told[1].0.as_str(), told.len()), ("system", "user", 2));
        for part in [
            "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"f\"}}\n</tools>",
            "<tool_call>\n{\"name\": \"NAME\", \"arguments\": ARGUMENTS}\n</tool_call>",
        ] {
            assert!(told[0].1.contains(part), "{}", told[0].1);
        }
        let after = turns(&[turn("system", "Be kind.", &json!({})), turn("user", "U", &json!({}))], &tools);
        assert_eq!((after.len(), after[0].1.clone()), (2, format!("Be kind.\n\n{}", told[0].1)));
    }

    #[test]
    fn calls_and_results_are_turns() {
        let calls = json!({"tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": {"a": [1, 2]}}}, {"id": "2", "function": {"name": "g", "arguments": {}}}
        ]});
        let messages = [
            turn("user", "U", &json!({})),
            turn("assistant", "Well.", &calls),
            turn("tool", "one", &json!({"tool_call_id": "1"})),
            turn("tool", "two", &json!({"tool_call_id": "2"})),
            turn("assistant", "", &calls),
            turn("tool", "three", &json!({})),
            turn("user", "V", &json!({})),
        ];
        let told = turns(&messages, &[]);
        let written = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, 2]}}\n</tool_call>\n\
                       <tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";
        let result = |text: &str| format!("<tool_response>\n{text}\n</tool_response>");
        let expected = [
            ("user", "U".to_owned()),
            ("assistant", format!("Well.\n{written}")),
            ("user", format!("{}\n{}", result("one"), result("two"))),
            ("assistant", written.to_owned()),
            ("user", result("three")),
            ("user", "V".to_owned()),
        ];
        assert_eq!(told, expected.map(|(role, content)| (role.to_owned(), content)));
    }
}
