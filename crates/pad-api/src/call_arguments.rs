//! The arguments of a call: JSON in a string, or the object itself, which some clients send.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// Arguments as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallArguments(pub(crate) String);

impl<'de> Deserialize<'de> for CallArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgumentsVisitor).map(Self)
    }
}

/// For fields that are arguments.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    CallArguments::deserialize(deserializer).map(|arguments| arguments.0)
}

/// In an answer they are a string.
pub(crate) fn schema() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Object, Type::Null]))
        .description(Some(
            "The arguments as JSON: a string; a request may also have an object, or null for no arguments.",
        ))
        .into()
}

struct ArgumentsVisitor;

impl<'de> Visitor<'de> for ArgumentsVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of JSON, or an object")
    }

    fn visit_str<E>(self, arguments: &str) -> Result<String, E> {
        Ok(arguments.to_owned())
    }

    /// Nothing at all means no arguments.
    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("{}".to_owned())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
        let arguments = Map::<String, Value>::deserialize(MapAccessDeserializer::new(map))?;
        serde_json::to_string(&arguments).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{ChatRequest, InputItem, ResponseInput, ResponseRequest, from_slice};

    #[test]
    fn a_string_an_object_or_nothing() {
        let chat = |arguments: &serde_json::Value| {
            let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}});
            let body = json!({"messages": [{"role": "assistant", "content": null, "tool_calls": [call]}]}).to_string();
            let request = from_slice::<ChatRequest>(body.as_bytes()).map(|parsed| parsed.value);
            request.map(|mut request| request.messages[0].take_calls().remove(0).function.arguments)
        };
        assert_eq!(chat(&json!("{\"a\": 1}")).as_deref(), Ok("{\"a\": 1}"));
        assert_eq!(chat(&json!({"z": 1, "a": [2]})).as_deref(), Ok(r#"{"z":1,"a":[2]}"#), "in the same order");
        assert_eq!(chat(&json!(null)).as_deref(), Ok("{}"));
        let error = chat(&json!([1])).expect_err("an array is none");
        assert_eq!(error.param.as_deref(), Some("messages[0].tool_calls[0].function.arguments"), "{}", error.message);
        let body = json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}}]});
        let request = from_slice::<ResponseRequest>(body.to_string().as_bytes()).expect("a request").value;
        let ResponseInput::Items(items) = request.input else { panic!("items") };
        let InputItem::Call(call) = &items[0] else { panic!("a call") };
        assert_eq!(call.arguments, r#"{"a":1}"#);
    }
}
