//! The bounds of a schema, checked before anything is compiled: the compiler calls itself for each level, and its work on numbers and
//! repetitions has no bound of its own.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use serde_json::{Map, Value};

use crate::error::beyond;
use crate::number::{self, Side};
use crate::subschema::{LISTS, NAMED, SINGLE, resolve};
use crate::{ShapeError, kind, meeting, pattern};

/// Levels of schemas in each other.
const MOST_LEVELS: usize = 80;
/// Schemas in a schema.
const MOST_SCHEMAS: usize = 8000;
/// Properties of one object.
const MOST_PROPERTIES: usize = 500;
/// Alternatives of one `anyOf` or `oneOf`.
const MOST_ALTERNATIVES: usize = 500;
/// Values of one `enum`.
const MOST_VALUES: usize = 2000;
/// Characters of a string, and items of an array, that are counted.
const MOST_COUNTED: u64 = 10_000;

/// Checks a schema, and narrows bounds that are wider than what can be counted: what it then allows, it allowed before.
///
/// # Errors
/// [`ShapeError::Beyond`] or [`ShapeError::UnknownType`] naming the first thing that is out of bounds or misspelled.
pub(crate) fn hold(schema: &mut Value) -> Result<(), ShapeError> {
    let mut walk = Walk::default();
    walk.schema(schema, &mut String::from("#"), 0)?;
    for (place, target) in &walk.refs {
        let known = target == "#" || target == "#/" || walk.places.contains(target);
        if !known {
            return Err(beyond(
                "`$ref`",
                place,
                target,
                "`#`, or the place of a schema in this one, such as `#/$defs/name`",
            ));
        }
    }
    check_cycles(schema, &walk)?;
    meeting::check(schema, &walk.breadths)
}

/// What is known of a schema.
#[derive(Default)]
struct Walk {
    schemas: usize,
    /// Where schemas stand.
    places: HashSet<String>,
    /// Where `$ref`s stand, and where they point.
    refs: Vec<(String, String)>,
    /// How broad each pattern of a value is.
    breadths: HashMap<String, u64>,
}

impl Walk {
    fn schema(&mut self, schema: &mut Value, place: &mut String, level: usize) -> Result<(), ShapeError> {
        self.schemas += 1;
        self.places.insert(place.clone());
        if level > MOST_LEVELS {
            return Err(beyond("the number of levels", place, &level.to_string(), &format!("{MOST_LEVELS} at most")));
        }
        if self.schemas > MOST_SCHEMAS {
            return Err(beyond(
                "the number of schemas",
                "#",
                &format!("over {MOST_SCHEMAS}"),
                &format!("{MOST_SCHEMAS} at most"),
            ));
        }
        let Value::Object(keywords) = schema else { return Ok(()) };
        kind::check(keywords, place)?;
        counts(keywords, place)?;
        numbers(keywords, place)?;
        self.patterns(keywords, place)?;
        for (name, value) in keywords.iter_mut() {
            let outer = place.len();
            place.push('/');
            place.push_str(name);
            let name = name.as_str();
            match value {
                Value::Object(inner) if NAMED.contains(&name) => {
                    for (key, value) in inner {
                        let outer = place.len();
                        place.push('/');
                        place.push_str(key);
                        self.schema(value, place, level + 1)?;
                        place.truncate(outer);
                    }
                }
                Value::Array(inner) if LISTS.contains(&name) => {
                    for (index, value) in inner.iter_mut().enumerate() {
                        let outer = place.len();
                        let _ = write!(place, "/{index}");
                        self.schema(value, place, level + 1)?;
                        place.truncate(outer);
                    }
                }
                Value::Object(_) if SINGLE.contains(&name) => self.schema(value, place, level + 1)?,
                Value::String(target) if name == "$ref" => self.refs.push((place.clone(), target.clone())),
                _ if name == "const" || name == "enum" => literals(value, place)?,
                _ => {}
            }
            place.truncate(outer);
        }
        Ok(())
    }

    fn patterns(&mut self, keywords: &Map<String, Value>, place: &str) -> Result<(), ShapeError> {
        let names = keywords.get("patternProperties").and_then(Value::as_object);
        names.into_iter().flatten().try_for_each(|(name, _)| check_pattern(name, place))?;
        if let Some(text) = keywords.get("pattern").and_then(Value::as_str) {
            check_pattern(text, place)?;
            self.breadths.insert(text.to_owned(), pattern::breadth(text));
        }
        Ok(())
    }
}

fn counts(keywords: &mut Map<String, Value>, place: &str) -> Result<(), ShapeError> {
    let length = |name: &str| match keywords.get(name) {
        Some(Value::Array(values)) => values.len(),
        Some(Value::Object(values)) => values.len(),
        _ => 0,
    };
    for (name, most) in [
        ("properties", MOST_PROPERTIES),
        ("required", MOST_PROPERTIES),
        ("patternProperties", MOST_PROPERTIES / 10),
        ("anyOf", MOST_ALTERNATIVES),
        ("oneOf", MOST_ALTERNATIVES),
        ("allOf", MOST_ALTERNATIVES),
        ("enum", MOST_VALUES),
        ("prefixItems", MOST_ALTERNATIVES),
    ] {
        let count = length(name);
        if count > most {
            return Err(beyond(
                &format!("the number of entries of `{name}`"),
                place,
                &count.to_string(),
                &format!("{most} at most"),
            ));
        }
    }
    for (name, most) in [
        ("minLength", MOST_COUNTED),
        ("maxLength", MOST_COUNTED),
        ("minItems", MOST_COUNTED),
        ("maxItems", MOST_COUNTED),
        ("minProperties", MOST_PROPERTIES as u64),
        ("maxProperties", MOST_PROPERTIES as u64),
    ] {
        let Some(count) = keywords.get(name).and_then(Value::as_f64) else { continue };
        if count <= most as f64 {
            continue;
        }
        // A larger upper bound is narrowed: what is of the narrower schema is of the other, too.
        if name.starts_with("max") {
            keywords.insert(name.to_owned(), most.into());
        } else {
            return Err(beyond(&format!("`{name}`"), place, &count.to_string(), &format!("{most} at most")));
        }
    }
    Ok(())
}

fn numbers(keywords: &mut Map<String, Value>, place: &str) -> Result<(), ShapeError> {
    for (name, side) in [
        ("minimum", Side::Least),
        ("exclusiveMinimum", Side::Least),
        ("maximum", Side::Most),
        ("exclusiveMaximum", Side::Most),
    ] {
        let Some(Value::Number(given)) = keywords.get(name) else { continue };
        let allowed = "numbers of 40 digits at most between -9223372036854774784 and 9223372036854774784";
        let held = number::bound(given, side)
            .ok_or_else(|| beyond(&format!("`{name}`"), place, &given.to_string(), allowed))?;
        keywords.insert(name.to_owned(), held);
    }
    if let Some(Value::Number(given)) = keywords.get("multipleOf") {
        let allowed = "numbers above 0 of 10000 steps at most: up to 10000, or a decimal such as 0.01 or 2.5";
        number::multiple(given).ok_or_else(|| beyond("`multipleOf`", place, &given.to_string(), allowed))?;
    }
    Ok(())
}

/// Whether a pattern is within bounds.
///
/// # Errors
/// [`ShapeError::Beyond`] if it is too long or too large.
pub(crate) fn check_pattern(text: &str, place: &str) -> Result<(), ShapeError> {
    if text.len() > pattern::MOST_BYTES {
        let allowed = format!("{} at most", pattern::MOST_BYTES);
        return Err(beyond("the number of bytes of a pattern", place, &text.len().to_string(), &allowed));
    }
    let size = pattern::size(text);
    if size > pattern::MOST_SIZE {
        let allowed = format!("{} at most", pattern::MOST_SIZE);
        return Err(beyond(
            "the size of a pattern with its repetitions written out",
            place,
            &size.to_string(),
            &allowed,
        ));
    }
    Ok(())
}

/// Whether a number is within bounds.
///
/// # Errors
/// [`ShapeError::Beyond`] if it is not.
pub(crate) fn check_number(what: &str, place: &str, found: u64, least: u64, most: u64) -> Result<(), ShapeError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(beyond(what, place, &found.to_string(), &format!("{least} to {most}")))
    }
}

fn literals(value: &Value, place: &str) -> Result<(), ShapeError> {
    match value {
        Value::Number(number) if !number::is_exact(number) => {
            let allowed = "integers that a 64-bit float holds exactly, and decimals of 15 digits at most, between -9223372036854774784 and 9223372036854774784";
            Err(beyond("a number", place, &number.to_string(), allowed))
        }
        Value::Array(values) => values.iter().try_for_each(|value| literals(value, place)),
        Value::Object(fields) => fields.values().try_for_each(|value| literals(value, place)),
        _ => Ok(()),
    }
}

/// Refuses a schema that is applied to the same value as it itself: following it would not end.
fn check_cycles(root: &Value, walk: &Walk) -> Result<(), ShapeError> {
    let mut done = HashSet::new();
    for (place, target) in &walk.refs {
        let mut path = Vec::new();
        follow(root, target, &mut path, &mut done).map_err(|()| {
            beyond("`$ref`", place, target, "a schema that refers to itself only through a property or an item")
        })?;
    }
    Ok(())
}

fn follow<'v>(
    root: &'v Value,
    target: &'v str,
    path: &mut Vec<&'v str>,
    done: &mut HashSet<&'v str>,
) -> Result<(), ()> {
    if path.contains(&target) {
        return Err(());
    }
    if done.contains(target) || path.len() > MOST_SCHEMAS {
        return Ok(());
    }
    path.push(target);
    if let Some(schema) = resolve(root, target) {
        in_place(root, schema, path, done)?;
    }
    path.pop();
    done.insert(target);
    Ok(())
}

fn in_place<'v>(
    root: &'v Value,
    schema: &'v Value,
    path: &mut Vec<&'v str>,
    done: &mut HashSet<&'v str>,
) -> Result<(), ()> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        follow(root, target, path, done)?;
    }
    let lists = ["allOf", "anyOf", "oneOf"].iter().filter_map(|name| schema.get(name)?.as_array());
    lists.flatten().try_for_each(|part| in_place(root, part, path, done))
}
