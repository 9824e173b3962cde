//! Whether tools are called, and which.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::ToolKind;
use crate::object::{Fields, objects, written};

/// Whether tools are called, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// By a word.
    Mode(ToolMode),
    /// This function is called.
    Function(String),
    /// Only some of the tools may be called.
    Allowed(AllowedTools),
}

/// The values of a tool choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolMode {
    /// The model decides.
    Auto,
    /// None is called.
    None,
    /// At least one is called.
    Required,
}

/// Narrows the tools to some of those of the request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct AllowedTools {
    /// Whether one of them must be called.
    pub mode: AllowedMode,
    /// The tools.
    pub tools: Vec<NamedTool>,
}

/// The type of a choice among some tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllowedMode {
    /// The model decides.
    Auto,
    /// At least one is called.
    Required,
}

/// Names the function to call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
pub struct NamedTool {
    /// The tool's kind.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function.
    pub function: NamedFunction,
}

/// A function by its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
pub struct NamedFunction {
    /// The name.
    pub name: String,
}

/// Names the tools that may be called.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `AnyChoice` reads")]
struct AllowedToolChoice {
    /// Always `allowed_tools`.
    #[schema(rename = "type", pattern = "^allowed_tools$")]
    kind: String,
    /// The tools.
    allowed_tools: AllowedTools,
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
struct AnyChoice {
    #[serde(rename = "type")]
    kind: ChoiceKind,
    function: Option<NamedFunction>,
    allowed_tools: Option<AllowedTools>,
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ToolChoiceVisitor)
    }
}

struct ToolChoiceVisitor;

impl<'de> Visitor<'de> for ToolChoiceVisitor {
    type Value = ToolChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto`, `none`, `required`, or {\"type\": \"function\", \"function\": {\"name\": ...}}")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ToolChoice, E> {
        match word {
            "auto" => Ok(ToolChoice::Mode(ToolMode::Auto)),
            "none" => Ok(ToolChoice::Mode(ToolMode::None)),
            "required" => Ok(ToolChoice::Mode(ToolMode::Required)),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ToolChoice, A::Error> {
        let choice = <AnyChoice as Fields>::fields(MapAccessDeserializer::new(map))?;
        match choice.kind {
            ChoiceKind::Function => {
                let function = choice.function.ok_or_else(|| A::Error::missing_field("function"))?;
                Ok(ToolChoice::Function(function.name))
            }
            ChoiceKind::AllowedTools => {
                let allowed = choice.allowed_tools.ok_or_else(|| A::Error::missing_field("allowed_tools"))?;
                Ok(ToolChoice::Allowed(allowed))
            }
        }
    }
}

impl ToSchema for ToolChoice {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [
            (NamedTool::name(), NamedTool::schema()),
            (ToolMode::name(), ToolMode::schema()),
            (AllowedToolChoice::name(), AllowedToolChoice::schema()),
        ] {
            schemas.push((name.into_owned(), schema));
        }
        NamedTool::schemas(schemas);
        AllowedToolChoice::schemas(schemas);
    }
}

impl PartialSchema for ToolChoice {
    fn schema() -> RefOr<Schema> {
        let item = |name: &str| Ref::from_schema_name(name);
        OneOfBuilder::new()
            .item(item(&ToolMode::name()))
            .item(item(&NamedTool::name()))
            .item(item(&AllowedToolChoice::name()))
            .description(Some("Whether tools are called, and which."))
            .examples([json!("auto"), json!({"type": "function", "function": {"name": "get_weather"}})])
            .into()
    }
}

objects! {
    NamedTool: "an object such as {\"type\": \"function\", \"function\": {\"name\": ...}}",
    NamedFunction: "an object with `name`",
    AllowedTools: "an object with `mode` and `tools`",
    AnyChoice: "an object such as {\"type\": \"function\", \"function\": {\"name\": ...}}",
}

written!(NamedTool, NamedFunction);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{ChatRequest, ParseError, from_slice};

    fn choice(choice: &Value) -> Result<Option<ToolChoice>, ParseError> {
        let body = json!({"messages": [], "tool_choice": choice}).to_string();
        from_slice::<ChatRequest>(body.as_bytes()).map(|parsed| parsed.value.tool_choice)
    }

    #[test]
    fn a_choice_is_a_word_or_a_name() {
        assert_eq!(choice(&json!("required")), Ok(Some(ToolChoice::Mode(ToolMode::Required))));
        assert_eq!(choice(&json!(null)), Ok(None));
        let named = json!({"type": "function", "function": {"name": "f"}});
        assert_eq!(choice(&named), Ok(Some(ToolChoice::Function("f".to_owned()))));
        for (wrong, param) in [
            (json!("always"), "tool_choice"),
            (json!(1), "tool_choice"),
            (json!({"type": "custom", "custom": {}}), "tool_choice.type"),
            (json!({"type": "function"}), "tool_choice.function"),
            (json!({"type": "allowed_tools"}), "tool_choice.allowed_tools"),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}}),
                "tool_choice.allowed_tools.mode",
            ),
        ] {
            let error = choice(&wrong).expect_err("wrong");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
        }
    }

    #[test]
    fn a_choice_may_name_several() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let several =
            json!({"allowed_tools": {"mode": "auto", "tools": [tool("f"), tool("g")]}, "type": "allowed_tools"});
        let Ok(Some(ToolChoice::Allowed(allowed))) = choice(&several) else { panic!("a choice") };
        let names: Vec<&str> = allowed.tools.iter().map(|tool| tool.function.name.as_str()).collect();
        assert_eq!((allowed.mode, names), (AllowedMode::Auto, vec!["f", "g"]));
    }
}
