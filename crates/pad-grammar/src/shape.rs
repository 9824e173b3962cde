//! The shape of an answer, and its notation as a grammar.

use std::fmt::Write;

use pad_text::call;
use serde_json::Value;

use crate::lark::Lark;
use crate::literal::{Choices, Regex, quoted};
use crate::schema::Schema;

/// What an answer may be: content, or calls of tools, or either.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The allowed text; none if only calls are allowed.
    pub content: Option<Content>,
    /// What may be called; none if nothing is.
    pub calls: Option<Calls>,
}

/// The allowed text.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Anything.
    Text,
    /// JSON of a schema.
    Json(Schema),
    /// One of these texts.
    Choice(Choices),
    /// A text that a regular expression matches as a whole.
    Regex(Regex),
    /// A text of a grammar in Lark's notation.
    Lark(Lark),
}

/// What may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// The tools; at least one.
    pub tools: Vec<Tool>,
    /// Whether there may be several calls, one after the other.
    pub parallel: bool,
}

/// A tool: its name, and the schema of its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// The name.
    pub name: String,
    /// The arguments.
    pub parameters: Schema,
}

impl Shape {
    /// JSON of a schema, and no calls.
    pub fn json(schema: Schema) -> Self {
        Self { content: Some(Content::Json(schema)), calls: None }
    }

    /// This content, and no calls.
    pub fn content(content: Content) -> Self {
        Self { content: Some(content), calls: None }
    }

    /// The grammar in Lark's notation, as `llguidance` reads it; none if everything is allowed.
    pub(crate) fn notation(&self) -> Option<String> {
        let mut rules = String::new();
        let mut starts = Vec::new();
        let free = matches!(self.content, Some(Content::Text));
        match &self.content {
            Some(Content::Text) => {
                self.calls.as_ref()?;
                starts.push("TEXT");
                let _ = writeln!(rules, "TEXT: /(?s:.*)/ & ~/(?s:.*){}(?s:.*)/", call::OPEN);
            }
            Some(Content::Json(schema)) => {
                starts.push("content");
                let _ = writeln!(rules, "content: {}", schema.notation());
            }
            Some(Content::Choice(choices)) => {
                starts.push("content");
                let _ = writeln!(rules, "content: {}", choices.notation());
            }
            Some(Content::Regex(regex)) => {
                starts.push("CONTENT");
                let _ = writeln!(rules, "CONTENT: {}", regex.notation());
            }
            Some(Content::Lark(lark)) if self.calls.is_none() => return Some(lark.notation().to_owned()),
            // Its rules might have the names of ours.
            Some(Content::Lark(_)) | None => {}
        }
        if let Some(calls) = &self.calls {
            starts.push("calls");
            let first = if free { "lead" } else { "OPEN" };
            let more = if calls.parallel { format!(" ({} OPEN call)*", quoted(call::BETWEEN)) } else { String::new() };
            let _ = writeln!(rules, "calls: {first} call{more}\nOPEN: {}", quoted(call::OPEN));
            if free {
                // Text up to the opening tag: as soon as that is written, what follows is a call.
                let _ = writeln!(rules, "lead[lazy]: /(?s:.*){}/", call::OPEN);
            }
            let alternatives: Vec<String> = (0..calls.tools.len()).map(|i| format!("call_{i}")).collect();
            let _ = writeln!(rules, "call: {}", alternatives.join(" | "));
            for (i, tool) in calls.tools.iter().enumerate() {
                let name = Value::from(tool.name.as_str());
                let head = quoted(&format!("{}{name}{}", call::BEFORE_NAME, call::BEFORE_ARGUMENTS));
                let tail = quoted(&format!("{}{}", call::AFTER_ARGUMENTS, call::CLOSE));
                let _ = writeln!(rules, "call_{i}: {head} arguments_{i} {tail}");
                let _ = writeln!(rules, "arguments_{i}: {}", tool.parameters.notation());
            }
        }
        Some(format!("%llguidance {{}}\nstart: {}\n{rules}", starts.join(" | ")))
    }
}
