//! The kinds of value that `type` names. Any other name is an error, not a constraint that could be ignored: a schema with
//! `"type": "strin"` allows nothing.

use serde_json::{Map, Value};

use crate::ShapeError;

const NAMES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Checks the names in a schema's `type`.
///
/// # Errors
/// [`ShapeError::UnknownType`] if one is none of JSON Schema's.
pub(crate) fn check(keywords: &Map<String, Value>, place: &str) -> Result<(), ShapeError> {
    let known = |value: &Value| value.as_str().is_some_and(|name| NAMES.contains(&name));
    let right = match keywords.get("type") {
        None => true,
        Some(Value::Array(names)) => !names.is_empty() && names.iter().all(known),
        Some(name) => known(name),
    };
    if right {
        return Ok(());
    }
    let found: String = keywords.get("type").map(ToString::to_string).unwrap_or_default().chars().take(120).collect();
    Err(ShapeError::UnknownType { place: place.to_owned(), found, allowed: NAMES.join(", ") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_json_schemas_types_are_known() {
        let check = |schema: Value| check(schema.as_object().unwrap(), "#/properties/a");
        for right in [json!({}), json!({"type": "string"}), json!({"type": ["integer", "null"]})] {
            check(right).unwrap();
        }
        for wrong in [json!("strin"), json!(""), json!([]), json!(["string", "nil"]), json!(3), json!({}), json!(null)]
        {
            let error = check(json!({"type": wrong})).unwrap_err().to_string();
            assert!(error.contains("#/properties/a") && error.contains("integer"), "{error}");
        }
    }
}
