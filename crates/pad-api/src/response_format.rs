//! The required form of the answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::object::objects;

/// The form of the answer's text.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "type": "json_schema",
    "json_schema": {"name": "city", "strict": true, "schema": {
        "type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["name", "people"], "additionalProperties": false
    }}
}))]
pub struct ResponseFormat {
    /// The kind of form.
    #[serde(rename = "type")]
    pub kind: ResponseFormatKind,
    /// The schema, for `json_schema`.
    pub json_schema: Option<JsonSchemaFormat>,
}

/// Forms that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormatKind {
    /// Any text.
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that a schema describes.
    JsonSchema,
}

/// A named JSON schema.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct JsonSchemaFormat {
    /// A name, for people.
    pub name: String,
    /// Its purpose, for people.
    pub description: Option<String>,
    /// The schema; default: any object. Constraints that cannot be enforced are rejected.
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Map<String, Value>>,
    /// Ignored: the schema is always enforced.
    pub strict: Option<bool>,
}

objects! {
    ResponseFormat: "an object such as {\"type\": \"json_object\"}",
    JsonSchemaFormat: "an object with `name` and `schema`",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ChatRequest, ParseError, from_slice};

    fn read(format: &Value) -> Result<Option<ResponseFormat>, ParseError> {
        let body = json!({"messages": [], "response_format": format}).to_string();
        from_slice::<ChatRequest>(body.as_bytes()).map(|parsed| parsed.value.response_format)
    }

    #[test]
    fn three_kinds() {
        let kind = |format| read(&format).expect("a format").map(|format| format.kind);
        assert_eq!(kind(json!({"type": "text"})), Some(ResponseFormatKind::Text));
        assert_eq!(kind(json!({"type": "json_object"})), Some(ResponseFormatKind::JsonObject));
        assert_eq!(kind(json!(null)), None);
        let schema = json!({"name": "n", "strict": true, "schema": {"type": "object"}});
        let format = read(&json!({"type": "json_schema", "json_schema": schema})).expect("a format").expect("one");
        let schema = format.json_schema.expect("a schema");
        assert_eq!((schema.name.as_str(), schema.strict), ("n", Some(true)));
        assert_eq!(schema.schema.expect("keywords")["type"], "object");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let param = |format| read(&format).expect_err("wrong").param.expect("a field");
        assert_eq!(param(json!("json_object")), "response_format");
        assert_eq!(param(json!({"type": "xml"})), "response_format.type");
        assert_eq!(param(json!({"type": "json_schema", "json_schema": {}})), "response_format.json_schema.name");
        let array = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": []}});
        assert_eq!(param(array), "response_format.json_schema.schema");
    }

    #[test]
    fn properties_keep_their_order() {
        let body = r#"{"messages": [], "response_format": {"type": "json_schema", "json_schema":
            {"name": "n", "schema": {"properties": {"z": {}, "a": {}, "m": {}}}}}}"#;
        let request = from_slice::<ChatRequest>(body.as_bytes()).expect("a request").value;
        let schema = request.response_format.and_then(|format| format.json_schema?.schema).expect("a schema");
        let names: Vec<&String> = schema["properties"].as_object().expect("an object").keys().collect();
        assert_eq!(names, ["z", "a", "m"], "the answer has them in this order, too");
    }
}
