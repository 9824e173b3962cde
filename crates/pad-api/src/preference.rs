//! A preference: what a request steers towards.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A preference, in one of three forms. Names and ranges are checked against the reward model, not here.
#[derive(Clone, Debug, PartialEq)]
pub enum Preference {
    /// Weights by dimension name, in the order sent; dimensions left out weigh 0.
    Named(Vec<(String, f64)>),
    /// One weight per dimension, in the reward model's order.
    Ordered(Vec<f64>),
    /// A principle in plain words.
    Principle(String),
}

/// In the form it has.
impl Serialize for Preference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(weights) => serializer.collect_map(weights.iter().map(|(name, weight)| (name, weight))),
            Self::Ordered(weights) => serializer.collect_seq(weights),
            Self::Principle(words) => serializer.serialize_str(words),
        }
    }
}

impl ToSchema for Preference {}

impl PartialSchema for Preference {
    fn schema() -> RefOr<Schema> {
        let weight = || ObjectBuilder::new().schema_type(Type::Number);
        let named = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Weights by dimension name; dimensions left out weigh 0."))
            .additional_properties(Some(AdditionalProperties::from(RefOr::T(Schema::Object(weight().build())))));
        let ordered = ArrayBuilder::new()
            .items(weight())
            .description(Some("One weight per dimension, in the reward model's order."));
        let principle = ObjectBuilder::new().schema_type(Type::String).description(Some(
            "A principle in plain words. A string that contains a JSON object or array is parsed as such.",
        ));
        OneOfBuilder::new()
            .item(named)
            .item(ordered)
            .item(principle)
            .description(Some("What to steer towards. Weights must be in the range that `GET /v1/preferences` gives."))
            .examples([
                json!({"concise": 1.0, "harmless": 0.5}),
                json!([1.0, 0.0, 0.5, 0.0]),
                json!("answer like a pirate"),
            ])
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatRequest, ParseError, from_slice};

    fn refused(preference: &str) -> ParseError {
        let body = format!(r#"{{"messages": [], "preference": {preference}}}"#);
        from_slice::<ChatRequest>(body.as_bytes()).expect_err("refused")
    }

    #[test]
    fn three_forms() {
        let read = |body| serde_json::from_str::<Preference>(body).expect("a preference");
        let named = vec![("humor".to_owned(), 1.0), ("brief".to_owned(), -0.5)];
        assert_eq!(read(r#"{"humor": 1, "brief": -0.5}"#), Preference::Named(named));
        assert_eq!(read("[1, 0.5]"), Preference::Ordered(vec![1.0, 0.5]));
        assert_eq!(read(r#""like a pirate""#), Preference::Principle("like a pirate".to_owned()));
        for form in [r#"{"humor":1.0,"brief":-0.5}"#, "[1.0,0.5]", r#""like a pirate""#] {
            assert_eq!(serde_json::to_string(&read(form)).expect("JSON"), form);
        }
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        for preference in
            [r#"{"humor": "much"}"#, r#"{"humor": null}"#, r#"{"humor": NaN}"#, r#"{"humor": 1e999}"#, "[true]", "5"]
        {
            let error = refused(preference);
            let param = error.param.expect("the field is named");
            assert!(param.starts_with("preference"), "{preference}: {param}");
        }
        assert!(refused(r#"{"humor": 1, "humor": 2}"#).message.contains("twice"));
    }
}
