//! Prompts: conversations that end with a user's turn.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use pad_client::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::EvalError;

/// A conversation to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its name in the results; every prompt of a run has its own.
    pub id: String,
    /// The turns, the last one a user's.
    pub messages: Vec<Message>,
    /// Whether it asks for something that should be declined.
    #[serde(default)]
    pub harmful: bool,
}

impl Prompt {
    /// What the user said last.
    pub fn text(&self) -> &str {
        self.messages.last().map_or("", |message| &message.content)
    }
}

/// A prompt as files have it: the text itself, or an object around it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a prompt is a text, or an object with `prompt` (a text or messages) or `messages`")]
enum Entry {
    Text(String),
    Prompt {
        id: Option<Value>,
        prompt: Conversation,
        #[serde(default)]
        harmful: bool,
    },
    Messages {
        id: Option<Value>,
        messages: Vec<Message>,
        #[serde(default)]
        harmful: bool,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Conversation {
    Text(String),
    Messages(Vec<Message>),
}

/// Reads the prompts of a file: a JSON array, or one JSON value a line. Each is a text, `{"prompt": text or messages}` or
/// `{"messages"}`, with an `id` if it likes (others are numbered), and with `harmful` true if it should be declined.
///
/// # Errors
///
/// When the file cannot be read, or when an entry is not a prompt, an id occurs twice, or the file is empty.
pub fn read(path: &Path) -> Result<Vec<Prompt>, EvalError> {
    let text = fs::read_to_string(path).map_err(EvalError::io("read", path))?;
    let entries = entries(&text).map_err(|problem| EvalError::file(path, problem))?;
    let width = entries.len().to_string().len().max(2);
    let mut prompts = Vec::with_capacity(entries.len());
    let mut seen = HashSet::new();
    for (number, entry) in entries.into_iter().enumerate() {
        let prompt = prompt(entry, || format!("p{number:0width$}"))
            .map_err(|problem| EvalError::file(path, format!("prompt {}: {problem}", number + 1)))?;
        if !seen.insert(prompt.id.clone()) {
            return Err(EvalError::file(path, format!("prompt {}: the id `{}` is used twice", number + 1, prompt.id)));
        }
        prompts.push(prompt);
    }
    if prompts.is_empty() {
        return Err(EvalError::file(path, "it contains no prompts"));
    }
    Ok(prompts)
}

fn entries(text: &str) -> Result<Vec<Entry>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1)))
        .collect()
}

fn prompt(entry: Entry, number: impl Fn() -> String) -> Result<Prompt, String> {
    let (id, messages, harmful) = match entry {
        Entry::Text(text) => (None, vec![Message::user(text)], false),
        Entry::Prompt { id, prompt: Conversation::Text(text), harmful } => (id, vec![Message::user(text)], harmful),
        Entry::Prompt { id, prompt: Conversation::Messages(messages), harmful }
        | Entry::Messages { id, messages, harmful } => (id, messages, harmful),
    };
    if messages.last().is_none_or(|last| last.role != "user") {
        return Err("the last message is not a user's".to_owned());
    }
    let id = match id {
        None => number(),
        Some(Value::String(id)) => id,
        Some(other) => other.to_string(),
    };
    Ok(Prompt { id, messages, harmful })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Prompt>, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompts");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn arrays_and_lines_of_texts_and_objects() {
        let array = read_text(r#"[{"id": "k0", "prompt": "Hello"}, "Bye"]"#).unwrap();
        assert_eq!(
            array.iter().map(|p| (p.id.as_str(), p.text())).collect::<Vec<_>>(),
            [("k0", "Hello"), ("p01", "Bye")]
        );
        let lines = concat!(
            r#"{"prompt": "One"}"#,
            "\n\n",
            r#"{"id": 7, "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Two"}]}"#,
            "\n",
            r#"{"prompt": [{"role": "user", "content": "Three"}], "more": 1, "harmful": true}"#
        );
        let lines = read_text(lines).unwrap();
        let found: Vec<_> = lines.iter().map(|p| (p.id.as_str(), p.text(), p.messages.len())).collect();
        assert_eq!(found, [("p00", "One", 1), ("7", "Two", 2), ("p02", "Three", 1)]);
        assert_eq!(lines.iter().map(|p| p.harmful).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let said = |text: &str| read_text(text).unwrap_err().to_string();
        assert!(
            said("\"a\"\n{\"text\": 1}").contains("line 2: a prompt is a text"),
            "{}",
            said("\"a\"\n{\"text\": 1}")
        );
        assert!(said("[\"a\", {\"id\": \"p00\", \"prompt\": \"b\"}]").contains("prompt 2: the id `p00` is used twice"));
        assert!(said(r#"{"messages": [{"role": "assistant", "content": "x"}]}"#).contains("not a user's"));
        assert!(said("").contains("no prompt"));
        assert!(read(Path::new("no/such")).unwrap_err().to_string().contains("cannot read no/such"));
    }
}
