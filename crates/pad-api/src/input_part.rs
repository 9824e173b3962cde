//! A part of a message that is put into a response.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::{self, objects};

/// A part of a message; `type` names its kind, and this server reads text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InputPart {
    /// Input text.
    InputText {
        /// The text.
        text: String,
    },
    /// Text of an earlier answer.
    OutputText {
        /// The text.
        text: String,
    },
    /// Text, under the name that chat completions use.
    Text {
        /// The text.
        text: String,
    },
    /// The refusal of an earlier answer; it is read as its text.
    Refusal {
        /// The text.
        refusal: String,
    },
}

/// Kinds of parts that are read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartKind {
    InputText,
    OutputText,
    Text,
    Refusal,
}

/// The fields of all kinds, since `type` may come last.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct AnyInputPart {
    #[serde(rename = "type")]
    kind: PartKind,
    text: Option<String>,
    refusal: Option<String>,
}

objects! {
    AnyInputPart: "a part such as {\"type\": \"input_text\", \"text\": \"...\"}",
}

impl<'de> Deserialize<'de> for InputPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let AnyInputPart { kind, text, refusal } = object::only(deserializer)?;
        let text = || text.ok_or_else(|| D::Error::missing_field("text"));
        Ok(match kind {
            PartKind::InputText => Self::InputText { text: text()? },
            PartKind::OutputText => Self::OutputText { text: text()? },
            PartKind::Text => Self::Text { text: text()? },
            PartKind::Refusal => Self::Refusal { refusal: refusal.ok_or_else(|| D::Error::missing_field("refusal"))? },
        })
    }
}

impl InputPart {
    /// The part's words.
    pub fn into_text(self) -> String {
        match self {
            Self::InputText { text }
            | Self::OutputText { text }
            | Self::Text { text }
            | Self::Refusal { refusal: text } => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_words() {
        let text = |part: &str| serde_json::from_str::<InputPart>(part).map(InputPart::into_text);
        for kind in ["input_text", "output_text", "text"] {
            assert_eq!(text(&format!(r#"{{"text": "a", "type": "{kind}"}}"#)).expect("a part"), "a");
        }
        assert_eq!(text(r#"{"type": "refusal", "refusal": "no"}"#).expect("a part"), "no");
        for wrong in [r#"{"type": "refusal", "text": "no"}"#, r#"{"type": "input_text"}"#, r#"["input_text", "a"]"#] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
    }
}
