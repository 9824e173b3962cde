//! Whether a response calls tools, and which: a chat's `tool_choice` in a flat form.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::object::{Fields, objects};
use crate::response_tool::qualified;
use crate::{AllowedMode, AllowedTools, NamedFunction, NamedTool, ResponseToolKind, ToolChoice, ToolKind, ToolMode};

/// Whether tools are called, and which: a chat's choice, written flat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToolChoice(pub ToolChoice);

impl Default for ResponseToolChoice {
    fn default() -> Self {
        Self(ToolChoice::Mode(ToolMode::Auto))
    }
}

/// Names the function to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponseNamedTool {
    /// The tool's kind.
    #[serde(rename = "type")]
    pub kind: ResponseToolKind,
    /// The function's name, that of its namespace before it.
    pub name: String,
}

/// Names the tools that may be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResponseAllowedTools {
    /// Always `allowed_tools`.
    #[serde(rename = "type")]
    #[schema(pattern = "^allowed_tools$")]
    pub kind: String,
    /// Whether one of them must be called.
    pub mode: AllowedMode,
    /// The tools; those that are not functions cannot be called.
    #[schema(value_type = Vec<Object>)]
    pub tools: Vec<ResponseNamedTool>,
}

/// Kinds of choices that are objects.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChoiceKind {
    Function,
    AllowedTools,
}

/// The fields of both kinds, since `type` may come last.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct AnyResponseChoice {
    #[serde(rename = "type")]
    kind: ChoiceKind,
    name: Option<String>,
    namespace: Option<String>,
    mode: Option<AllowedMode>,
    tools: Option<Vec<AllowedTool>>,
}

/// A tool that may be called; tools of other kinds than functions are not there to be called.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct AllowedTool {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    namespace: Option<String>,
}

objects! {
    AnyResponseChoice: "an object such as {\"type\": \"function\", \"name\": ...}",
    AllowedTool: "an object such as {\"type\": \"function\", \"name\": ...}",
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
        let choice = <AnyResponseChoice as Fields>::fields(MapAccessDeserializer::new(map))?;
        match choice.kind {
            ChoiceKind::Function => {
                let name = choice.name.ok_or_else(|| A::Error::missing_field("name"))?;
                Ok(ToolChoice::Function(qualified(choice.namespace.as_deref(), &name)))
            }
            ChoiceKind::AllowedTools => {
                let mode = choice.mode.ok_or_else(|| A::Error::missing_field("mode"))?;
                let tools = choice.tools.ok_or_else(|| A::Error::missing_field("tools"))?;
                let functions = tools.into_iter().filter(|tool| tool.kind == "function");
                let tools = functions.map(|tool| {
                    let name = tool.name.ok_or_else(|| A::Error::missing_field("name"))?;
                    let name = qualified(tool.namespace.as_deref(), &name);
                    Ok(NamedTool { kind: ToolKind::Function, function: NamedFunction { name } })
                });
                Ok(ToolChoice::Allowed(AllowedTools { mode, tools: tools.collect::<Result<_, A::Error>>()? }))
            }
        }
    }
}

impl Serialize for ResponseToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = |name: &String| ResponseNamedTool { kind: ResponseToolKind::Function, name: name.clone() };
        match &self.0 {
            ToolChoice::Mode(mode) => mode.serialize(serializer),
            ToolChoice::Function(name) => named(name).serialize(serializer),
            ToolChoice::Allowed(AllowedTools { mode, tools }) => {
                let tools = tools.iter().map(|tool| named(&tool.function.name)).collect();
                ResponseAllowedTools { kind: "allowed_tools".to_owned(), mode: *mode, tools }.serialize(serializer)
            }
        }
    }
}

impl ToSchema for ResponseToolChoice {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [
            (ResponseNamedTool::name(), ResponseNamedTool::schema()),
            (ToolMode::name(), ToolMode::schema()),
            (ResponseAllowedTools::name(), ResponseAllowedTools::schema()),
        ] {
            schemas.push((name.into_owned(), schema));
        }
        ResponseNamedTool::schemas(schemas);
        ResponseAllowedTools::schemas(schemas);
    }
}

impl PartialSchema for ResponseToolChoice {
    fn schema() -> RefOr<Schema> {
        let item = |name: &str| Ref::from_schema_name(name);
        OneOfBuilder::new()
            .item(item(&ToolMode::name()))
            .item(item(&ResponseNamedTool::name()))
            .item(item(&ResponseAllowedTools::name()))
            .description(Some("Whether tools are called, and which."))
            .examples([json!("auto"), json!({"type": "function", "name": "get_weather"})])
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResponseRequest, from_slice};

    #[test]
    fn a_choice_is_a_word_a_name_or_several() {
        let several =
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
        for written in [json!("none"), json!({"type": "function", "name": "f"}), several] {
            let choice: ResponseToolChoice = serde_json::from_value(written.clone()).expect("a choice");
            assert_eq!(serde_json::to_value(choice).expect("JSON"), written);
        }
    }

    #[test]
    fn what_is_not_run_here_is_named() {
        for (choice, param, says) in [
            (json!({"type": "file_search"}), "tool_choice.type", "`file_search`"),
            (json!({"type": "function"}), "tool_choice.name", "missing field"),
            (json!({"type": "allowed_tools", "mode": "auto"}), "tool_choice.tools", "missing field"),
            (json!("any"), "tool_choice", "required"),
        ] {
            let body = json!({"input": "i", "tool_choice": choice});
            let error = from_slice::<ResponseRequest>(body.to_string().as_bytes()).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
            assert!(error.message.contains(says), "{}", error.message);
        }
    }
}
