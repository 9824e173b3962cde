//! What a value has to satisfy at once: `allOf`, `$ref` and alternatives beside other keywords intersect schemas. The work on an
//! intersection is the product of the work on its parts, and the compiler counts some of it only when it is done.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::error::beyond;
use crate::subschema::{NAMED, SINGLE, resolve};
use crate::{ShapeError, number};

/// States of numbers and parts of patterns that may meet in one value.
const MOST_STATES: f64 = 1e6;
/// Alternatives that intersected schemas make together.
const MOST_ALTERNATIVES: f64 = 256.0;
/// About how many parts the pattern of a `format` has.
const FORMAT: f64 = 100.0;
/// Schemas that are looked at, each as often as a `$ref` leads to it.
const MOST_VISITS: usize = 100_000;

/// The most that meets in one value of a schema, or in a value within it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Load {
    states: f64,
    alternatives: f64,
}

const NOTHING: Load = Load { states: 1.0, alternatives: 1.0 };

impl Load {
    fn max(self, other: Self) -> Self {
        Self { states: self.states.max(other.states), alternatives: self.alternatives.max(other.alternatives) }
    }
}

/// Checks all intersections of a schema, which has passed all other checks; `breadths` has all its patterns.
///
/// # Errors
/// [`ShapeError::Beyond`] naming the schema whose parts make too much together.
pub(crate) fn check(root: &Value, breadths: &HashMap<String, u64>) -> Result<(), ShapeError> {
    let order = targets_in_order(root);
    let mut meeting = Meeting { breadths, loads: HashMap::new(), visits: 0 };
    // The second time for schemas in circles, whose targets were not all known the first time.
    for target in order.iter().chain(&order) {
        if let Some(schema) = resolve(root, target) {
            let load = meeting.of(schema, &mut (*target).to_owned())?;
            meeting.loads.insert(target, load);
        }
    }
    meeting.of(root, &mut String::from("#")).map(drop)
}

/// The targets of all `$ref`s, each after those that it names itself, as far as it does not lead back to one of them.
fn targets_in_order(root: &Value) -> Vec<&str> {
    let (mut order, mut seen) = (Vec::new(), HashSet::new());
    // A target is visited, and passed again once all that it names are done.
    let mut open: Vec<(&str, bool)> = targets_in(root).into_iter().map(|target| (target, false)).collect();
    while let Some((target, done)) = open.pop() {
        if done {
            order.push(target);
        } else if seen.insert(target) {
            open.push((target, true));
            let inner = resolve(root, target).map(targets_in).unwrap_or_default();
            open.extend(inner.into_iter().map(|target| (target, false)));
        }
    }
    order
}

/// The targets of the `$ref`s in a schema. Values that only look like one add nothing but work.
fn targets_in(schema: &Value) -> Vec<&str> {
    let (mut found, mut open) = (Vec::new(), vec![schema]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(keywords) => {
                found.extend(keywords.get("$ref").and_then(Value::as_str));
                open.extend(keywords.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    found
}

/// What is known while a schema is checked.
struct Meeting<'s> {
    breadths: &'s HashMap<String, u64>,
    loads: HashMap<&'s str, Load>,
    visits: usize,
}

impl Meeting<'_> {
    fn of(&mut self, schema: &Value, place: &mut String) -> Result<Load, ShapeError> {
        let Value::Object(keywords) = schema else { return Ok(NOTHING) };
        self.visits += 1;
        if self.visits > MOST_VISITS {
            let allowed = format!("{MOST_VISITS} at most");
            return Err(beyond("the number of schemas that `$ref`s lead to", "#", "more", &allowed));
        }
        let (mut parts, mut below, mut matched) = (vec![self.own(schema)], NOTHING, NOTHING);
        for (name, value) in keywords {
            match (name.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    parts.push(self.loads.get(target.as_str()).copied().unwrap_or(NOTHING));
                }
                ("allOf", Value::Array(all)) => {
                    for part in all {
                        parts.push(self.within(name, part, place)?);
                    }
                }
                ("anyOf" | "oneOf", Value::Array(any)) => {
                    let mut one = Load { states: 1.0, alternatives: 0.0 };
                    for part in any {
                        let load = self.within(name, part, place)?;
                        one.states = one.states.max(load.states);
                        one.alternatives += load.alternatives;
                    }
                    parts.push(Load { alternatives: one.alternatives.max(1.0), ..one });
                }
                ("patternProperties", Value::Object(inner)) => {
                    for part in inner.values() {
                        matched = matched.max(self.within(name, part, place)?);
                    }
                }
                // They count where they are referred to.
                ("$defs" | "definitions", _) => {}
                (named, Value::Object(inner)) if NAMED.contains(&named) => {
                    for part in inner.values() {
                        below = below.max(self.within(name, part, place)?);
                    }
                }
                ("prefixItems" | "items", Value::Array(inner)) => {
                    for part in inner {
                        below = below.max(self.within(name, part, place)?);
                    }
                }
                (single, part) if SINGLE.contains(&single) => below = below.max(self.within(name, part, place)?),
                _ => {}
            }
        }
        let here = together(&parts, place)?;
        // A property may be named and match a pattern.
        Ok(here.max(together(&[below, matched], place)?))
    }

    fn within(&mut self, name: &str, part: &Value, place: &mut String) -> Result<Load, ShapeError> {
        let outer = place.len();
        place.push('/');
        place.push_str(name);
        let load = self.of(part, place);
        place.truncate(outer);
        load
    }

    /// What a schema itself says of a text or a number. Two patterns are never one, however small.
    fn own(&self, schema: &Value) -> Load {
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let pattern =
            pattern.map_or(1.0, |text| self.breadths.get(text).map_or(2.0, |parts| parts.max(&2).to_owned() as f64));
        let format = if schema.get("format").is_some() { FORMAT } else { 1.0 };
        let multiple = match schema.get("multipleOf") {
            Some(Value::Number(given)) => number::multiple(given).unwrap_or(1.0),
            _ => 1.0,
        };
        Load { states: pattern * format * multiple.max(1.0), alternatives: 1.0 }
    }
}

/// All of these at once. One alone is no intersection, however large.
fn together(parts: &[Load], place: &str) -> Result<Load, ShapeError> {
    let all = |of: fn(&Load) -> f64| {
        let product: f64 = parts.iter().map(of).product();
        let is_alone = parts.iter().map(of).filter(|load| *load > 1.0).count() < 2;
        (product, is_alone)
    };
    let (states, one_has_states) = all(|load| load.states);
    let (alternatives, one_has_alternatives) = all(|load| load.alternatives);
    if !one_has_states && states > MOST_STATES {
        let allowed = format!("{MOST_STATES} where schemas are combined");
        let what = "the product of `multipleOf` and of the sizes of patterns";
        return Err(beyond(what, place, &format!("{states:e}"), &allowed));
    }
    if !one_has_alternatives && alternatives > MOST_ALTERNATIVES {
        let allowed = format!("{MOST_ALTERNATIVES} at most");
        let what = "the number of combinations of `allOf`, `$ref` and alternatives";
        return Err(beyond(what, place, &alternatives.to_string(), &allowed));
    }
    Ok(Load { states, alternatives })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value) -> Result<(), ShapeError> {
        let breadths = (1..3000).map(|size| ("a".repeat(size), size as u64)).collect();
        super::check(schema, &breadths)
    }

    fn pattern(size: usize) -> Value {
        json!({"type": "string", "pattern": "a".repeat(size)})
    }

    #[test]
    fn only_what_meets_is_multiplied() {
        let properties: serde_json::Map<String, Value> = (0..50).map(|i| (format!("p{i}"), pattern(100))).collect();
        let apart =
            json!({"type": "object", "properties": properties, "anyOf": [{"required": ["p1"]}, {"required": ["p2"]}]});
        assert_eq!(check(&apart), Ok(()));
        let described = json!({"$ref": "#/$defs/a", "description": "x", "$defs": {"a": apart}});
        assert_eq!(check(&described), Ok(()));
        assert_eq!(check(&json!({"allOf": [pattern(900), pattern(900)]})), Ok(()));
        assert!(check(&json!({"allOf": [pattern(900), pattern(900), pattern(2)]})).is_err());
        let nested = |size| json!({"properties": {"a": {"items": pattern(size)}}});
        assert!(check(&json!({"allOf": [nested(2000), nested(2000)]})).is_err());
        assert!(
            check(&json!({"properties": {"a": pattern(2000)}, "patternProperties": {"a": pattern(2000)}})).is_err()
        );
    }

    #[test]
    fn references_are_followed() {
        let both = json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]});
        let with = |a: Value, b: Value| {
            let mut schema = both.clone();
            schema["$defs"] = json!({"a": a, "b": b});
            check(&schema)
        };
        assert_eq!(with(pattern(100), pattern(100)), Ok(()));
        assert!(with(pattern(2000), pattern(2000)).is_err());
        let any = |count: usize| json!({"anyOf": vec![json!({"type": "object"}); count]});
        assert_eq!(with(any(16), any(16)), Ok(()));
        assert!(with(any(16), any(17)).is_err());
        assert_eq!(with(any(500), json!({"type": "object"})), Ok(()));
        // Each definition is twice the next one.
        let mut defs: serde_json::Map<String, Value> = (0..30)
            .map(|i| (format!("d{i}"), json!({"allOf": vec![json!({"$ref": format!("#/$defs/d{}", i + 1)}); 2]})))
            .collect();
        defs.insert("d30".to_owned(), pattern(1));
        assert!(check(&json!({"$ref": "#/$defs/d0", "$defs": defs})).is_err());
    }

    #[test]
    fn recursion_ends() {
        let tree = json!({"type": "object", "properties": {"text": pattern(9), "child": {"$ref": "#"}}});
        assert_eq!(check(&tree), Ok(()));
        let mut defs = serde_json::Map::new();
        for i in 0..8000 {
            defs.insert(
                format!("d{i}"),
                json!({"properties": {"a": {"$ref": format!("#/$defs/d{}", (i + 1) % 8000)}}}),
            );
        }
        assert_eq!(check(&json!({"$ref": "#/$defs/d0", "$defs": defs})), Ok(()));
    }
}
