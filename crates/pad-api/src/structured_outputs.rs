//! Constraints on an answer's text, under vLLM's names.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::object::objects;

/// One constraint of the answer's text; only one may be present.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct StructuredOutputs {
    /// A JSON schema that the answer must follow, as an object or as a string that contains one.
    pub json: Option<GuidedJson>,
    /// Any JSON object.
    pub json_object: Option<bool>,
    /// A regular expression that the whole answer must match.
    pub regex: Option<String>,
    /// The answer must be one of these texts, 1 to 1000.
    pub choice: Option<Vec<String>>,
    /// A grammar in Lark's notation that the answer must follow. Not together with tools that may be called.
    pub grammar: Option<String>,
    /// Tags with their own schemas; rejected.
    pub structural_tag: Option<Value>,
}

impl StructuredOutputs {
    /// The fields of the constraints that are given.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("structured_outputs.json", self.json.is_some()),
            ("structured_outputs.json_object", self.json_object == Some(true)),
            ("structured_outputs.regex", self.regex.is_some()),
            ("structured_outputs.choice", self.choice.is_some()),
            ("structured_outputs.grammar", self.grammar.is_some()),
            ("structured_outputs.structural_tag", self.structural_tag.as_ref().is_some_and(|tag| !tag.is_null())),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}

/// A JSON schema: an object, or a string that contains one.
#[derive(Clone, Debug, PartialEq, ToSchema)]
#[schema(value_type = Object)]
pub struct GuidedJson(pub Map<String, Value>);

impl<'de> Deserialize<'de> for GuidedJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::String(text) => serde_json::from_str(&text)
                .map_err(|error| D::Error::custom(format_args!("the string is not a JSON schema: {error}")))?,
            other => other,
        };
        match value {
            Value::Object(schema) => Ok(Self(schema)),
            _ => Err(D::Error::custom("invalid type, expected a JSON schema: an object, or a string that holds one")),
        }
    }
}

objects! {
    StructuredOutputs: "an object with one of `json`, `json_object`, `regex`, `choice` and `grammar`",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ChatRequest, from_slice};

    #[test]
    fn a_schema_is_an_object_or_a_string_that_holds_one() {
        let read = |guided: Value| {
            let body = json!({"messages": [], "guided_json": guided}).to_string();
            from_slice::<ChatRequest>(body.as_bytes()).map(|parsed| parsed.value.guided_json)
        };
        let schema = read(json!({"type": "object"})).expect("a schema");
        assert_eq!(read(json!(r#"{"type": "object"}"#)), Ok(schema));
        for wrong in [json!("no"), json!([1]), json!("[1]")] {
            assert_eq!(read(wrong).expect_err("no schema").param.as_deref(), Some("guided_json"));
        }
    }

    #[test]
    fn what_is_given_is_told() {
        let read = |given: Value| serde_json::from_value::<StructuredOutputs>(given).expect("constraints").given();
        assert_eq!(read(json!({"choice": ["a"], "regex": null})), ["structured_outputs.choice"]);
        assert_eq!(
            read(json!({"json": {}, "grammar": "g"})),
            ["structured_outputs.json", "structured_outputs.grammar"]
        );
        assert!(read(json!({"json_object": false})).is_empty());
    }
}
