//! A JSON schema, as far as it can be enforced.

use serde_json::{Map, Value, json};

use crate::{ShapeError, bounds};

/// Bytes of one schema.
pub const MOST_BYTES: usize = 128 << 10;

/// What may stand between JSON's tokens: a blank or two, or a line break and an indent. More of it never ends, if a model likes it.
const WHITESPACE: &str = r"[ \t]{1,2}|\r?\n[ \t]{0,24}";

/// The schema compiler's own key, which clients may not use.
const OPTIONS: &str = "x-guidance";

/// What a time may be beside its format: a second has nine digits behind the point at most. More of them never end, if a model likes them.
const TIME: &str = r"^[^.]*(\.[0-9]{1,9}[zZ+-][0-9:]*)?$";

/// Keywords whose values are not schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];

/// A schema that constrains a JSON value.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    keywords: Value,
    lenient: bool,
}

impl Schema {
    /// Take a schema. What cannot be enforced is rejected when it is compiled; if `lenient`, such keywords are ignored instead, and
    /// of `oneOf` any alternative will do.
    ///
    /// # Errors
    /// [`ShapeError::NotAnObject`], [`ShapeError::TooLong`], [`ShapeError::Beyond`], [`ShapeError::UnknownType`].
    pub fn new(schema: &Value, lenient: bool) -> Result<Self, ShapeError> {
        let Value::Object(keywords) = schema else { return Err(ShapeError::NotAnObject) };
        let bytes = schema.to_string().len();
        if bytes > MOST_BYTES {
            return Err(ShapeError::TooLong { bytes, allowed: MOST_BYTES });
        }
        let mut held = Value::Object(keywords.clone());
        bounds::hold(&mut held)?;
        let Value::Object(mut keywords) = held else { return Err(ShapeError::NotAnObject) };
        bound_times(&mut keywords);
        Ok(Self::with_options(keywords, lenient))
    }

    /// Any object.
    pub fn any_object() -> Self {
        let object = json!({"type": "object"});
        Self::with_options(object.as_object().cloned().unwrap_or_default(), false)
    }

    fn with_options(mut keywords: Map<String, Value>, lenient: bool) -> Self {
        let options = json!({"whitespace_pattern": WHITESPACE, "lenient": lenient, "coerce_one_of": lenient});
        keywords.insert(OPTIONS.to_owned(), options);
        Self { keywords: Value::Object(keywords), lenient }
    }

    /// Whether keywords that cannot be enforced are ignored.
    pub(crate) fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The schema in the grammar's notation.
    pub(crate) fn notation(&self) -> String {
        format!("%json {}", self.keywords)
    }
}

/// Bound the times of a schema and of those in it, where they have no pattern of their own.
fn bound_times(keywords: &mut Map<String, Value>) {
    let time = keywords.get("format").and_then(Value::as_str).is_some_and(|name| ["time", "date-time"].contains(&name));
    if time && !keywords.contains_key("pattern") {
        keywords.insert("pattern".to_owned(), TIME.into());
    }
    let inner = keywords.iter_mut().filter(|(name, _)| !VALUES.contains(&name.as_str()));
    inner.for_each(|(_, value)| bound_times_in(value));
}

fn bound_times_in(value: &mut Value) {
    match value {
        Value::Object(keywords) => bound_times(keywords),
        Value::Array(values) => values.iter_mut().for_each(bound_times_in),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_an_object_of_some_length() {
        for other in [json!(true), json!([]), json!("object"), json!(null)] {
            assert_eq!(Schema::new(&other, false), Err(ShapeError::NotAnObject));
        }
        let long = json!({"description": "x".repeat(MOST_BYTES)});
        assert!(matches!(Schema::new(&long, true), Err(ShapeError::TooLong { .. })));
    }

    #[test]
    fn a_client_sets_no_options() {
        let schema = Schema::new(&json!({"type": "object", "x-guidance": {"lenient": true}}), false).unwrap();
        assert_eq!(schema, Schema::any_object());
    }
}
