//! Tools that the model may call, and its calls.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::call_arguments;
use crate::object::{objects, written};

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
}}))]
pub struct Tool {
    /// The tool's kind.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function.
    pub function: FunctionTool,
}

/// Kinds of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolKind {
    /// A function with arguments in JSON.
    Function,
}

/// Characters of a function's name at most.
pub const LONGEST_NAME: usize = 64;

/// Whether a text has only characters that names of functions and namespaces may have, and not too many of them.
pub fn fits_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// A function as described to the model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
pub struct FunctionTool {
    /// The name: letters, digits, `_`, `-` and `.`, 64 at most.
    #[schema(pattern = "^[a-zA-Z0-9_.-]{1,64}$")]
    pub name: String,
    /// What it does and when to call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema of its arguments, an object; if absent, it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Reject a schema that cannot be enforced completely. Otherwise unsupported parts of it are ignored.
    #[serde(skip_serializing)]
    pub strict: Option<bool>,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct ToolCall {
    /// The call's id; the tool's answer refers to it.
    pub id: String,
    /// The tool's kind.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function and its arguments.
    pub function: FunctionCall,
}

/// A function and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct FunctionCall {
    /// The name.
    pub name: String,
    /// The arguments as JSON.
    #[serde(deserialize_with = "call_arguments::read")]
    #[schema(schema_with = call_arguments::schema)]
    pub arguments: String,
}

/// What a chunk adds to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolCallDelta {
    /// The call's index among the calls of the message.
    pub index: usize,
    /// The call's id: in its first chunk only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool's kind: in its first chunk only.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ToolKind>,
    /// What is added to the function.
    pub function: FunctionCallDelta,
}

/// What a chunk adds to the function of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionCallDelta {
    /// The name: in the call's first chunk only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The next part of the arguments' JSON; empty in the call's first chunk.
    pub arguments: String,
}

objects! {
    Tool: "an object such as {\"type\": \"function\", \"function\": {\"name\": ...}}",
    FunctionTool: "an object with `name` and `parameters`",
    ToolCall: "an object with `id`, `type` and `function`",
    FunctionCall: "an object with `name` and `arguments`",
}

written!(Tool, FunctionTool, ToolCall, FunctionCall);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ChatRequest, ParseError, from_slice};

    fn read(fields: &Value) -> Result<ChatRequest, ParseError> {
        let mut body = json!({"messages": []});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        from_slice(body.to_string().as_bytes()).map(|parsed| parsed.value)
    }

    #[test]
    fn a_tool_is_written_as_templates_read_it() {
        let tool = json!({"type": "function", "function": {
            "name": "f", "description": "d", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}
        }});
        let tools = read(&json!({"tools": [tool]})).expect("a request").tools.expect("tools");
        assert_eq!(serde_json::to_string(&tools[0]).expect("JSON"), tool.to_string(), "in the same order");
    }

    #[test]
    fn a_delta_holds_only_what_it_adds() {
        let function = FunctionCallDelta { name: None, arguments: "{".to_owned() };
        let delta = ToolCallDelta { index: 1, id: None, kind: None, function };
        assert_eq!(serde_json::to_value(delta).expect("JSON"), json!({"index": 1, "function": {"arguments": "{"}}));
    }
}
