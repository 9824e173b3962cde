//! The input of a response: a string, or the items of a conversation.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::call_arguments::{self, CallArguments};
use crate::object::{self, Fields};
use crate::response_tool::qualified;
use crate::{InputPart, Role};

/// The input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseInput {
    /// What the user says.
    Text(String),
    /// Items, oldest first.
    Items(Vec<InputItem>),
}

/// One item of a conversation; `type` names its kind, and is absent in some messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputItem {
    /// A message.
    Message(InputMessage),
    /// A call of a function, as a response gave it.
    Call(InputCall),
    /// The result of a call.
    Output(InputCallOutput),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(example = json!({"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}))]
pub struct InputMessage {
    /// The role of the speaker.
    pub role: Role,
    /// The content.
    pub content: InputContent,
}

/// A function call.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(example = json!({"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}))]
pub struct InputCall {
    /// The call's id.
    pub call_id: String,
    /// The function.
    pub name: String,
    /// Its arguments as JSON.
    #[schema(schema_with = call_arguments::schema)]
    pub arguments: String,
    /// The namespace of the function, if its tool has one.
    pub namespace: Option<String>,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(example = json!({"type": "function_call_output", "call_id": "call_1", "output": "Rain."}))]
pub struct InputCallOutput {
    /// The call.
    pub call_id: String,
    /// The result.
    pub output: InputContent,
}

impl InputCall {
    /// The name under which the model knows the function.
    pub fn qualified_name(&self) -> String {
        qualified(self.namespace.as_deref(), &self.name)
    }
}

/// Kinds of items that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ItemKind {
    Message,
    FunctionCall,
    FunctionCallOutput,
}

/// A message's text: a string, or parts that are joined by line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputContent(pub String);

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
        f.write_str("a string, or an array of items")
    }

    fn visit_str<E>(self, text: &str) -> Result<ResponseInput, E> {
        Ok(ResponseInput::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ResponseInput, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(ResponseInput::Items(items))
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
            parts.push(part.into_text());
        }
        Ok(InputContent(parts.join("\n")))
    }
}

/// All fields of all kinds, since `type` may come last: which of them are needed is seen at the end.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct AnyItem {
    #[serde(rename = "type")]
    kind: Option<ItemKind>,
    role: Option<Role>,
    content: Option<InputContent>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<CallArguments>,
    namespace: Option<String>,
    output: Option<InputContent>,
}

impl Fields for AnyItem {
    const EXPECTED: &'static str = "an item such as {\"role\": \"user\", \"content\": \"...\"}";

    fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for InputItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn given<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
            field.ok_or_else(|| E::missing_field(name))
        }
        let item: AnyItem = object::only(deserializer)?;
        Ok(match item.kind.unwrap_or(ItemKind::Message) {
            ItemKind::Message => Self::Message(InputMessage {
                role: given(item.role, "role")?,
                content: given(item.content, "content")?,
            }),
            ItemKind::FunctionCall => Self::Call(InputCall {
                call_id: given(item.call_id, "call_id")?,
                name: given(item.name, "name")?,
                arguments: given(item.arguments, "arguments")?.0,
                namespace: item.namespace,
            }),
            ItemKind::FunctionCallOutput => Self::Output(InputCallOutput {
                call_id: given(item.call_id, "call_id")?,
                output: given(item.output, "output")?,
            }),
        })
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
        schemas.push((InputItem::name().into_owned(), InputItem::schema()));
        InputItem::schemas(schemas);
    }
}

impl PartialSchema for ResponseInput {
    fn schema() -> RefOr<Schema> {
        string_or(&InputItem::name(), "The user's text, or the items of a conversation.")
    }
}

impl ToSchema for InputItem {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        InputMessage::schemas(schemas);
        InputCall::schemas(schemas);
        InputCallOutput::schemas(schemas);
    }
}

impl PartialSchema for InputItem {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(of_kind("message", false, InputMessage::schema()))
            .item(of_kind("function_call", true, InputCall::schema()))
            .item(of_kind("function_call_output", true, InputCallOutput::schema()))
            .description(Some("A message, a function call, or the result of a call."))
            .into()
    }
}

/// The schema of an object that has a `type` as well.
fn of_kind(kind: &str, required: bool, schema: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    let name = ObjectBuilder::new();
    let name = if required {
        object.required.push("type".to_owned());
        name.schema_type(Type::String).enum_values(Some([Value::from(kind)]))
    } else {
        // A null is as good as nothing.
        name.schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .enum_values(Some([Value::from(kind), Value::Null]))
    };
    object.properties.insert("type".to_owned(), name.into());
    RefOr::T(Schema::Object(object))
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
        let message =
            |role, text: &str| InputItem::Message(InputMessage { role, content: InputContent(text.to_owned()) });
        let messages = vec![message(Role::User, "a"), message(Role::Assistant, "b\nc")];
        assert_eq!(read(said), ResponseInput::Items(messages));
    }

    #[test]
    fn calls_and_what_they_gave() {
        let said = r#"[{"id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed", "type": "function_call"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "o"}]}]"#;
        let (call_id, output) = ("c".to_owned(), InputContent("o".to_owned()));
        let call =
            InputCall { call_id: call_id.clone(), name: "f".to_owned(), arguments: "{}".to_owned(), namespace: None };
        let items = vec![InputItem::Call(call), InputItem::Output(InputCallOutput { call_id, output })];
        assert_eq!(serde_json::from_str::<ResponseInput>(said).expect("an input"), ResponseInput::Items(items));
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (input, param) in [
            ("7", "input"),
            (r#"[{"type": "reasoning", "summary": []}]"#, "input[0].type"),
            (r#"[{"type": "function_call_output", "call_id": "c"}]"#, "input[0].output"),
            (r#"[{"type": "function_call", "call_id": "c", "name": "f"}]"#, "input[0].arguments"),
            (r#"["hello"]"#, "input[0]"),
            (r#"[{"role": "user", "content": [{"type": "input_image"}]}]"#, "input[0].content[0].type"),
            (r#"[{"role": "user"}]"#, "input[0].content"),
        ] {
            let error =
                from_slice::<ResponseRequest>(format!(r#"{{"input": {input}}}"#).as_bytes()).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
        }
    }
}
