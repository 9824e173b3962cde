//! The form of a response's text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::ResponseFormatKind;
use crate::object::{objects, written};

/// The settings of a response's text.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
pub struct TextOptions {
    /// Its form; default: any text.
    pub format: Option<TextFormat>,
}

/// The form of a text: a chat's `response_format` in a flat form.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "type": "json_schema", "name": "city", "strict": true, "schema": {
        "type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["name", "people"], "additionalProperties": false
    }
}))]
pub struct TextFormat {
    /// The kind of form.
    #[serde(rename = "type")]
    pub kind: ResponseFormatKind,
    /// A name of the schema, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its purpose, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema, for `json_schema`. Constraints that cannot be enforced are rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Map<String, Value>>,
    /// Ignored: the schema is always enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

impl TextFormat {
    /// Any text.
    pub fn text() -> Self {
        Self { kind: ResponseFormatKind::Text, name: None, description: None, schema: None, strict: None }
    }
}

objects! {
    TextOptions: "an object such as {\"format\": {\"type\": \"text\"}}",
    TextFormat: "an object such as {\"type\": \"json_object\"}",
}

written!(TextOptions, TextFormat);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_format_is_read_and_written() {
        let flat = json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true});
        let format: TextFormat = serde_json::from_value(flat.clone()).expect("a format");
        assert_eq!(serde_json::to_value(&format).expect("JSON"), flat);
        assert_eq!((format.name.as_deref(), format.strict), (Some("n"), Some(true)));
        let bare: TextFormat = serde_json::from_value(json!({"type": "json_schema", "name": "n"})).expect("a format");
        assert_eq!(bare.schema, None);
        assert_eq!(serde_json::to_value(TextFormat::text()).expect("JSON"), json!({"type": "text"}));
    }
}
