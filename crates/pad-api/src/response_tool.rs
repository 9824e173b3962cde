//! Tools of a response, in a flat form where a chat's are nested.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::object::{self, objects};
use crate::{FunctionTool, Tool, ToolKind, fits_name};

/// Between a namespace and a name, unless the namespace ends with it.
const SEPARATOR: &str = "__";

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
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
    /// The name: letters, digits, `_`, `-` and `.`, 64 at most, its namespace included.
    #[schema(pattern = "^[a-zA-Z0-9_.-]{1,64}$")]
    pub name: String,
    /// What it does and when to call it.
    pub description: Option<String>,
    /// The schema of its arguments, an object; if absent, it takes none.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Reject a schema that cannot be enforced completely. Otherwise unsupported parts of it are ignored.
    pub strict: Option<bool>,
    /// Its namespace, which its calls name, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The name under which the model sees a function of a namespace.
pub(crate) fn qualified(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        None | Some("") => name.to_owned(),
        Some(namespace) if namespace.ends_with(SEPARATOR) => format!("{namespace}{name}"),
        Some(namespace) => format!("{namespace}{SEPARATOR}{name}"),
    }
}

impl ResponseTool {
    /// The name under which the model knows it.
    pub fn qualified_name(&self) -> String {
        qualified(self.namespace.as_deref(), &self.name)
    }
}

impl From<ResponseTool> for Tool {
    fn from(tool: ResponseTool) -> Self {
        let name = tool.qualified_name();
        let ResponseTool { description, parameters, strict, .. } = tool;
        Self { kind: ToolKind::Function, function: FunctionTool { name, description, parameters, strict } }
    }
}

/// Kinds of tools that only the client runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponseToolKind {
    /// A function of the client's, with arguments in JSON.
    Function,
}

/// The tools of a request, those of namespaces among the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseTools {
    /// The functions.
    pub functions: Vec<ResponseTool>,
    /// Kinds of tools that OpenAI would run and this server does not have: they are left out.
    pub skipped: Vec<String>,
}

/// The fields of all kinds, since `type` may come last.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct AnyTool {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Map<String, Value>>,
    strict: Option<bool>,
    tools: Option<Vec<AnyTool>>,
    namespace: Option<String>,
}

objects! {
    AnyTool: "an object such as {\"type\": \"function\", \"name\": ..., \"parameters\": {...}}",
}

/// An element of the array: a function, those of a namespace, or nothing.
enum Element {
    Functions(Vec<ResponseTool>),
    Skipped(String),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tool: AnyTool = object::only(deserializer)?;
        match tool.kind.as_str() {
            "function" => Ok(Self::Functions(vec![function(tool, None)?])),
            "namespace" => {
                let namespace = tool.name.ok_or_else(|| D::Error::missing_field("name"))?;
                check_namespace(&namespace)?;
                let tools = tool
                    .tools
                    .ok_or_else(|| D::Error::missing_field("tools"))?
                    .into_iter()
                    .filter(|tool| tool.kind == "function");
                let functions = tools.map(|tool| function(tool, Some(namespace.clone())));
                Ok(Self::Functions(functions.collect::<Result<_, D::Error>>()?))
            }
            _ => Ok(Self::Skipped(tool.kind)),
        }
    }
}

/// Functions are checked under their qualified names; a namespace without functions has only its own.
fn check_namespace<E: Error>(name: &str) -> Result<(), E> {
    let expected = "letters, digits, `_`, `-` and `.`, 64 at most";
    if fits_name(name) { Ok(()) } else { Err(E::invalid_value(Unexpected::Str(name), &expected)) }
}

fn function<E: Error>(tool: AnyTool, namespace: Option<String>) -> Result<ResponseTool, E> {
    let AnyTool { name, description, parameters, strict, namespace: own, .. } = tool;
    // A client may send back the tools of an earlier response, in which each function names its namespace.
    let namespace = namespace.or(own);
    let name = name.ok_or_else(|| E::missing_field("name"))?;
    Ok(ResponseTool { kind: ResponseToolKind::Function, name, description, parameters, strict, namespace })
}

impl<'de> Deserialize<'de> for ResponseTools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ToolsVisitor)
    }
}

struct ToolsVisitor;

impl<'de> Visitor<'de> for ToolsVisitor {
    type Value = ResponseTools;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tools")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ResponseTools, A::Error> {
        let mut tools = ResponseTools::default();
        while let Some(element) = seq.next_element()? {
            match element {
                Element::Functions(functions) => tools.functions.extend(functions),
                Element::Skipped(kind) => tools.skipped.push(kind),
            }
        }
        Ok(tools)
    }
}

impl ToSchema for ResponseTools {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ResponseTool::name().into_owned(), ResponseTool::schema()));
        ResponseTool::schemas(schemas);
    }
}

impl PartialSchema for ResponseTools {
    fn schema() -> RefOr<Schema> {
        let function = || Ref::from_schema_name(ResponseTool::name());
        let kind = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^(?!(function|namespace)$)"));
        let other = ObjectBuilder::new().property("type", kind).required("type");
        let other = other.description(Some("A tool that OpenAI runs; it is ignored, with a note in the log.")).build();
        let word = |word: &str| ObjectBuilder::new().schema_type(Type::String).enum_values(Some([word]));
        let namespace = ObjectBuilder::new()
            .property("type", word("namespace"))
            .property("name", ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-zA-Z0-9_.-]{0,64}$")))
            .property("tools", ArrayBuilder::new().items(OneOfBuilder::new().item(function()).item(other.clone())))
            .required("type")
            .required("name")
            .required("tools")
            .description(Some("Functions under one namespace; the model sees both names."));
        let tool = OneOfBuilder::new().item(function()).item(namespace).item(other);
        ArrayBuilder::new()
            .items(tool)
            .max_items(Some(128))
            .description(Some(
                "Functions that the model may call, and namespaces of them. Tools that OpenAI runs, such as `web_search`, are \
                 ignored, with a note in the log.",
            ))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ResponseRequest, from_slice};

    fn read(fields: &Value) -> Result<ResponseRequest, crate::ParseError> {
        let mut body = json!({"input": "i"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        from_slice(body.to_string().as_bytes()).map(|parsed| parsed.value)
    }

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
    fn functions_of_namespaces_stand_among_the_others() {
        let function = |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}});
        let tools = read(&json!({"tools": [
            function("f"), {"tools": [function("g"), {"type": "custom", "name": "h"}], "name": "mcp__files", "type": "namespace"},
            {"type": "web_search", "external_web_access": true}, {"type": "local_shell"}
        ]}));
        let tools = tools.expect("tools").tools.expect("tools");
        assert_eq!(tools.skipped, ["web_search", "local_shell"]);
        let names: Vec<String> = tools.functions.iter().map(ResponseTool::qualified_name).collect();
        assert_eq!(names, ["f", "mcp__files__g"]);
        assert_eq!(
            (tools.functions[1].name.as_str(), tools.functions[1].namespace.as_deref()),
            ("g", Some("mcp__files"))
        );
        assert_eq!(qualified(Some("mcp__files__"), "g"), "mcp__files__g");
    }

    #[test]
    fn what_is_no_tool_is_named() {
        for (fields, param, says) in [
            (json!({"tools": [{"type": "function"}]}), "tools[0].name", "missing field"),
            (json!({"tools": [{"name": "f"}]}), "tools[0].type", "missing field"),
            (json!({"tools": [{"type": "namespace", "name": "n"}]}), "tools[0].tools", "missing field"),
            (json!({"tools": [{"type": "namespace", "name": "n", "tools": null}]}), "tools[0].tools", "missing field"),
            (json!({"tools": [{"type": "namespace", "name": "\u{84}", "tools": []}]}), "tools[0]", "letters"),
            (json!({"tools": [{"type": "namespace", "name": "n".repeat(65), "tools": []}]}), "tools[0]", "64 at most"),
            (json!({"tools": [["function", "f"]]}), "tools[0]", "an object such as"),
            (json!({"tools": {"type": "function"}}), "tools", "an array of tools"),
        ] {
            let error = read(&fields).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
            assert!(error.message.contains(says), "{}", error.message);
        }
    }
}
