//! The content of a message: a string, or parts of text.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::object::{self, objects};

/// A message's content. Parts are joined by line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The text itself.
    Text(String),
    /// Parts of text, in order.
    Parts(Vec<ContentPart>),
}

/// A part of a message; `type` names its kind, and this server reads text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schema(example = json!({"type": "text", "text": "Hello"}))]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// An assistant's refusal; it is read as its text.
    Refusal {
        /// The text.
        refusal: String,
    },
}

/// Kinds of parts that are read.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PartKind {
    Text,
    Refusal,
}

/// The fields of all kinds, since `type` may come last.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct AnyPart {
    #[serde(rename = "type")]
    kind: PartKind,
    text: Option<String>,
    refusal: Option<String>,
}

impl<'de> Deserialize<'de> for ContentPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let part: AnyPart = object::only(deserializer)?;
        match part.kind {
            PartKind::Text => part.text.map(|text| Self::Text { text }).ok_or_else(|| D::Error::missing_field("text")),
            PartKind::Refusal => {
                let words = part.refusal.map(|refusal| Self::Refusal { refusal });
                words.ok_or_else(|| D::Error::missing_field("refusal"))
            }
        }
    }
}

impl ContentPart {
    fn into_text(self) -> String {
        match self {
            Self::Text { text: words } | Self::Refusal { refusal: words } => words,
        }
    }
}

impl Content {
    /// The whole text.
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().map(ContentPart::into_text).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// Read by hand: an untagged enum would lose the path to what is wrong, and what was expected there.
struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, null, or an array of text parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element()? {
            parts.push(part);
        }
        Ok(Content::Parts(parts))
    }
}

objects! {
    AnyPart: "a part such as {\"type\": \"text\", \"text\": \"...\"}",
}

impl ToSchema for Content {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ContentPart::name().into_owned(), ContentPart::schema()));
        ContentPart::schemas(schemas);
    }
}

impl PartialSchema for Content {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).description(Some("The text itself."));
        let part = Ref::from_schema_name(ContentPart::name());
        let parts = ArrayBuilder::new().items(part).description(Some("Parts of text, in order."));
        OneOfBuilder::new()
            .item(text)
            .item(parts)
            .description(Some("A message's content. Parts are joined by line breaks."))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ChatMessage, from_slice};

    fn content(value: &serde_json::Value) -> Option<String> {
        let body = json!({"role": "user", "content": value}).to_string();
        from_slice::<ChatMessage>(body.as_bytes()).expect("a message").value.content.map(Content::into_text)
    }

    #[test]
    fn string_null_and_parts() {
        assert_eq!(content(&json!("hi")), Some("hi".to_owned()));
        assert_eq!(content(&json!(null)), None);
        assert_eq!(content(&json!([])), Some(String::new()));
        let parts = json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]);
        assert_eq!(content(&parts), Some("one\ntwo".to_owned()));
        let refusal = json!([{"type": "refusal", "refusal": "no"}, {"text": "but", "type": "text"}]);
        assert_eq!(content(&refusal), Some("no\nbut".to_owned()));
    }

    #[test]
    fn other_parts_are_refused_by_name() {
        let body = json!({"role": "user", "content": [
            {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": "data:"}}
        ]});
        let error = from_slice::<ChatMessage>(body.to_string().as_bytes()).expect_err("images are not read");
        assert_eq!(error.param.as_deref(), Some("content[1].type"));
        assert!(error.message.contains("`image_url`") && error.message.contains("`text`"), "{}", error.message);
    }

    #[test]
    fn a_part_without_its_words_is_named() {
        for (part, param) in
            [(r#"{"type": "text"}"#, "content[0].text"), (r#"{"type": "refusal"}"#, "content[0].refusal")]
        {
            let body = format!(r#"{{"role": "assistant", "content": [{part}]}}"#);
            let error = from_slice::<ChatMessage>(body.as_bytes()).expect_err("no words");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
        }
    }

    #[test]
    fn numbers_are_refused() {
        let error = from_slice::<ChatMessage>(br#"{"role": "user", "content": 7}"#).expect_err("not a text");
        assert_eq!(error.param.as_deref(), Some("content"));
        assert!(error.message.contains("a string, null, or an array of text parts"), "{}", error.message);
    }
}
