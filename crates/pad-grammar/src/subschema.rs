//! The places of schemas in a schema.

use serde_json::Value;

/// Keywords with named schemas, lists of schemas, and one schema.
pub(crate) const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
pub(crate) const LISTS: [&str; 5] = ["anyOf", "oneOf", "allOf", "prefixItems", "items"];
pub(crate) const SINGLE: [&str; 11] = [
    "items",
    "additionalProperties",
    "additionalItems",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// The schema that a `$ref` points to.
pub(crate) fn resolve<'v>(root: &'v Value, target: &str) -> Option<&'v Value> {
    let path = target.strip_prefix('#')?;
    if path.is_empty() || path == "/" {
        return Some(root);
    }
    path.strip_prefix('/')?.split('/').try_fold(root, |at, name| match at {
        Value::Array(values) => values.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}
