//! The text form of a tool call: the tags that Hermes and Qwen made common.
//!
//! ```text
//! <tool_call>
//! {"name": "weather", "arguments": {"city": "Oslo"}}
//! </tool_call>
//! ```

use serde_json::Value;

/// Opens a call.
pub const OPEN: &str = "<tool_call>";
/// Closes a call.
pub const CLOSE: &str = "</tool_call>";
/// What stands between two calls.
pub const BETWEEN: &str = "\n";
/// What stands between the opening tag and the tool's name, which is a JSON string.
pub const BEFORE_NAME: &str = "\n{\"name\": ";
/// What stands between the name and the arguments, which are a JSON object.
pub const BEFORE_ARGUMENTS: &str = ", \"arguments\": ";
/// What stands between the arguments and the closing tag.
pub const AFTER_ARGUMENTS: &str = "}\n";

/// A whole call; `arguments` is JSON.
pub fn written(tool: &str, arguments: &str) -> String {
    let name = Value::from(tool);
    format!("{OPEN}{BEFORE_NAME}{name}{BEFORE_ARGUMENTS}{arguments}{AFTER_ARGUMENTS}{CLOSE}")
}
