//! The input of a response: a string, or the messages of a conversation.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Role;
use crate::object::{self, Fields};

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseInput {
    /// What the user says.
    Text(String),
    /// Messages, oldest first.
    Messages(Vec<InputMessage>),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}))]
pub struct InputMessage {
    /// The item's kind; this server reads messages. Absent means a message.
    #[serde(rename = "type")]
    pub kind: Option<ItemKind>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: InputContent,
}

/// Kinds of items that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A message.
    Message,
}

/// A message's text: a string, or parts that are joined by line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputContent(pub String);

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct InputPart {
    /// The part's kind; this server reads text.
    #[serde(rename = "type")]
    pub kind: InputPartKind,
    /// The text.
    pub text: String,
}

/// Kinds of parts that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputPartKind {
    /// Text that was put in.
    InputText,
    /// Text of an earlier answer.
    OutputText,
    /// Text, as chat completions call it.
    Text,
}

impl<'de> Deserialize<'de> for ResponseInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

/// Read by hand: an untagged enum would lose the path to what is wrong.
struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = ResponseInput;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or an array of messages")
    }

    fn visit_str<E>(self, text: &str) -> Result<ResponseInput, E> {
        Ok(ResponseInput::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ResponseInput, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = seq.next_element()? {
            messages.push(message);
        }
        Ok(ResponseInput::Messages(messages))
    }
}

impl<'de> Deserialize<'de> for InputContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = InputContent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or an array of text parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<InputContent, E> {
        Ok(InputContent(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<InputContent, A::Error> {
        let mut parts: Vec<String> = Vec::new();
        while let Some(part) = seq.next_element::<InputPart>()? {
            parts.push(part.text);
        }
        Ok(InputContent(parts.join("\n")))
    }
}

impl Fields for InputMessage {
    const EXPECTED: &'static str = "a message with `role` and `content`";

    fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for InputMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::only(deserializer)
    }
}

impl Fields for InputPart {
    const EXPECTED: &'static str = "a part such as {\"type\": \"input_text\", \"text\": \"...\"}";

    fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for InputPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::only(deserializer)
    }
}

/// A string, or an array of these.
fn string_or(name: &str, description: &str) -> RefOr<Schema> {
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::String))
        .item(ArrayBuilder::new().items(Ref::from_schema_name(name)))
        .description(Some(description))
        .into()
}

impl ToSchema for ResponseInput {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((InputMessage::name().into_owned(), InputMessage::schema()));
        InputMessage::schemas(schemas);
    }
}

impl PartialSchema for ResponseInput {
    fn schema() -> RefOr<Schema> {
        string_or(&InputMessage::name(), "What the user says, or the messages of a conversation.")
    }
}

impl ToSchema for InputContent {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((InputPart::name().into_owned(), InputPart::schema()));
        InputPart::schemas(schemas);
    }
}

impl PartialSchema for InputContent {
    fn schema() -> RefOr<Schema> {
        string_or(&InputPart::name(), "A message's text. Parts are joined by line breaks.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResponseRequest, from_slice};

    #[test]
    fn a_string_or_messages() {
        let read = |input: &str| serde_json::from_str::<ResponseInput>(input).expect("an input");
        assert_eq!(read(r#""hi""#), ResponseInput::Text("hi".to_owned()));
        let said = r#"[{"role": "user", "content": "a"},
            {"type": "message", "role": "assistant", "id": "m", "status": "completed", "content": [
                {"type": "output_text", "text": "b", "annotations": []}, {"type": "text", "text": "c"}]}]"#;
        let ResponseInput::Messages(messages) = read(said) else { panic!("messages") };
        assert_eq!((messages[0].role, messages[0].content.0.as_str()), (Role::User, "a"));
        assert_eq!((messages[1].role, messages[1].content.0.as_str()), (Role::Assistant, "b\nc"));
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (input, param) in [
            ("7", "input"),
            (r#"[{"type": "function_call_output", "call_id": "c", "output": "o"}]"#, "input[0].type"),
            (r#"[{"role": "user", "content": [{"type": "input_image"}]}]"#, "input[0].content[0].type"),
            (r#"[{"role": "user"}]"#, "input[0].content"),
        ] {
            let error =
                from_slice::<ResponseRequest>(format!(r#"{{"input": {input}}}"#).as_bytes()).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
        }
    }
}
