//! Tools of a response: flat, where a chat's are nested.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::object::{Fields, objects, written};
use crate::{FunctionTool, Tool, ToolChoice, ToolKind, ToolMode};

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "type": "function", "name": "get_weather", "description": "The weather of a city.", "strict": true,
    "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false
    }
}))]
pub struct ResponseTool {
    /// The tool's kind.
    #[serde(rename = "type")]
    pub kind: ResponseToolKind,
    /// The name: letters, digits, `_` and `-`, 64 at most.
    #[schema(pattern = "^[a-zA-Z0-9_-]{1,64}$")]
    pub name: String,
    /// What it does and when to call it.
    pub description: Option<String>,
    /// The schema of its arguments, an object; absent means that it takes none.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Refuse a schema that arguments cannot be held to in full. Otherwise what is not supported of it is passed over.
    pub strict: Option<bool>,
}

impl From<ResponseTool> for Tool {
    fn from(tool: ResponseTool) -> Self {
        let ResponseTool { name, description, parameters, strict, .. } = tool;
        Self { kind: ToolKind::Function, function: FunctionTool { name, description, parameters, strict } }
    }
}

/// Kinds of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponseToolKind {
    /// A function of the client's, with arguments in JSON.
    Function,
}

impl<'de> Deserialize<'de> for ResponseToolKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if word == "function" {
            return Ok(Self::Function);
        }
        Err(D::Error::custom(format!(
            "`{word}` is not a tool of this server, which runs none itself; allowed: `function`"
        )))
    }
}

/// Whether tools are called, and which: a chat's choice, written flat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToolChoice(pub ToolChoice);

impl Default for ResponseToolChoice {
    fn default() -> Self {
        Self(ToolChoice::Mode(ToolMode::Auto))
    }
}

/// Names the function to call.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
pub struct ResponseNamedTool {
    /// The tool's kind.
    #[serde(rename = "type")]
    pub kind: ResponseToolKind,
    /// The function's name.
    pub name: String,
}

impl<'de> Deserialize<'de> for ResponseToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor).map(Self)
    }
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = ToolChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto`, `none`, `required`, or {\"type\": \"function\", \"name\": ...}")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ToolChoice, E> {
        ToolMode::deserialize(word.into_deserializer()).map(ToolChoice::Mode)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ToolChoice, A::Error> {
        let named = <ResponseNamedTool as Fields>::fields(MapAccessDeserializer::new(map))?;
        Ok(ToolChoice::Function(named.name))
    }
}

impl Serialize for ResponseToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            ToolChoice::Mode(mode) => mode.serialize(serializer),
            ToolChoice::Function(name) => {
                let named = ResponseNamedTool { kind: ResponseToolKind::Function, name: name.clone() };
                ResponseNamedTool::serialize(&named, serializer)
            }
        }
    }
}

impl ToSchema for ResponseToolChoice {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in
            [(ResponseNamedTool::name(), ResponseNamedTool::schema()), (ToolMode::name(), ToolMode::schema())]
        {
            schemas.push((name.into_owned(), schema));
        }
        ResponseNamedTool::schemas(schemas);
    }
}

impl PartialSchema for ResponseToolChoice {
    fn schema() -> RefOr<Schema> {
        let item = |name: &str| Ref::from_schema_name(name);
        OneOfBuilder::new()
            .item(item(&ToolMode::name()))
            .item(item(&ResponseNamedTool::name()))
            .description(Some("Whether tools are called, and which."))
            .examples([json!("auto"), json!({"type": "function", "name": "get_weather"})])
            .into()
    }
}

written!(ResponseTool);

objects! {
    ResponseTool: "an object such as {\"type\": \"function\", \"name\": ..., \"parameters\": {...}}",
}

impl Fields for ResponseNamedTool {
    const EXPECTED: &'static str = "an object such as {\"type\": \"function\", \"name\": ...}";

    fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResponseRequest, from_slice};

    #[test]
    fn a_tool_is_a_chats_tool() {
        let flat = json!({"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true});
        let tool: ResponseTool = serde_json::from_value(flat.clone()).expect("a tool");
        assert_eq!(serde_json::to_value(&tool).expect("JSON"), flat);
        let nested = Tool::from(tool);
        assert_eq!((nested.function.name.as_str(), nested.function.strict), ("f", Some(true)));
        assert_eq!(nested.function.parameters.expect("a schema")["type"], "object");
    }

    #[test]
    fn a_choice_is_a_word_or_a_name() {
        for written in [json!("none"), json!({"type": "function", "name": "f"})] {
            let choice: ResponseToolChoice = serde_json::from_value(written.clone()).expect("a choice");
            assert_eq!(serde_json::to_value(choice).expect("JSON"), written);
        }
    }

    #[test]
    fn what_is_not_run_here_is_named() {
        for (fields, param, says) in [
            (json!({"tools": [{"type": "web_search"}]}), "tools[0].type", "`web_search` is not a tool of this server"),
            (json!({"tools": [{"type": "function"}]}), "tools[0].name", "missing field"),
            (json!({"tools": [["function", "f"]]}), "tools[0]", "an object such as"),
            (json!({"tool_choice": {"type": "file_search"}}), "tool_choice.type", "`file_search`"),
            (json!({"tool_choice": {"type": "function"}}), "tool_choice.name", "missing field"),
            (json!({"tool_choice": "any"}), "tool_choice", "required"),
        ] {
            let mut body = json!({"input": "i"});
            body.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
            let error = from_slice::<ResponseRequest>(body.to_string().as_bytes()).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
            assert!(error.message.contains(says), "{}", error.message);
        }
    }
}
