//! A form of answers that does not end during the measurement.

use std::sync::Arc;

use pad_decode::Grammar;
use pad_grammar::{Budget, Content, Grammars, Requester, Schema, Shape};
use pad_text::Chat;
use serde_json::json;

use crate::BenchError;

/// The grammar of a long list of people: strings, numbers, words of a choice and what stands between them.
///
/// # Errors
///
/// When it cannot be compiled for this vocabulary.
pub fn people(chat: &Chat) -> Result<Box<dyn Grammar>, BenchError> {
    let person = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "age", "mood"],
        "properties": {
            "name": {"type": "string", "maxLength": 24}, "age": {"type": "integer"}, "mood": {"enum": ["good", "bad", "mixed"]}
        }
    });
    let schema = Schema::new(&json!({"type": "array", "minItems": 10_000, "items": person}), false)?;
    let shape = Shape { content: Some(Content::Json(schema)), calls: None };
    let grammar =
        Grammars::new(Arc::clone(chat.tokenizer()), Budget::default()).compile(&shape, &Requester::default())?;
    grammar.ok_or_else(|| BenchError::Engine("a schema has a grammar".to_owned()))
}
