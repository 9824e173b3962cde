//! Stop strings: one string or an array of them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Strings that end the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A single string.
    One(String),
    /// Up to four strings; none is as if it were absent.
    Many(Vec<String>),
}

impl Stop {
    /// The strings, in order.
    pub fn into_strings(self) -> Vec<String> {
        match self {
            Self::One(string) => vec![string],
            Self::Many(strings) => strings,
        }
    }
}

impl<'de> Deserialize<'de> for Stop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StopVisitor)
    }
}

struct StopVisitor;

impl<'de> Visitor<'de> for StopVisitor {
    type Value = Stop;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E>(self, string: &str) -> Result<Stop, E> {
        Ok(Stop::One(string.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Stop, A::Error> {
        let mut strings = Vec::new();
        while let Some(string) = seq.next_element()? {
            strings.push(string);
        }
        Ok(Stop::Many(strings))
    }
}

impl ToSchema for Stop {}

impl PartialSchema for Stop {
    fn schema() -> RefOr<Schema> {
        let string = || ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let several = ArrayBuilder::new().items(string()).max_items(Some(4));
        OneOfBuilder::new()
            .item(string())
            .item(several)
            .description(Some("One string, or up to four, that end the answer."))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_slice;

    #[test]
    fn a_string_or_several() {
        let read = |body: &str| serde_json::from_str::<Stop>(body).expect("stop strings").into_strings();
        assert_eq!(read(r#""\n""#), ["\n"]);
        assert_eq!(read(r#"["a", "b"]"#), ["a", "b"]);
        assert!(read("[]").is_empty());
    }

    #[test]
    fn the_wrong_element_is_named() {
        let body = br#"{"messages": [], "stop": ["a", 5]}"#;
        let error = from_slice::<crate::ChatRequest>(body).expect_err("5 is no string");
        assert_eq!(error.param.as_deref(), Some("stop[1]"));
    }
}
