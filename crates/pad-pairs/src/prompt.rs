//! A prompt, as the pairs will hold it.

use std::path::Path;

use pad_client::{Message, draws};
use serde::Deserialize;
use serde_json::Value;

use crate::PairsError;

/// A conversation that waits for an answer; its last turn is the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The same for the same conversation, unless the file names it otherwise.
    pub id: String,
    /// The turns, oldest first, without any principle.
    pub messages: Vec<Message>,
}

/// The shapes that a prompt comes in.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Text(String),
    Named {
        #[serde(alias = "messages")]
        prompt: Turns,
        #[serde(alias = "prompt_id")]
        id: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Turns {
    Text(String),
    Messages(Vec<Message>),
}

impl Prompt {
    /// One question, named after its words.
    pub fn question(text: &str) -> Self {
        Self { id: id_of(&[Message::user(text)]), messages: vec![Message::user(text)] }
    }

    /// The user's last words.
    pub fn last(&self) -> &str {
        self.messages.last().map_or("", |message| &message.content)
    }

    /// Reads a file: a JSON array, or one JSON value a line. A value is a text, or an object with `prompt` (a text or messages) or
    /// `messages`, and perhaps `id`; other keys are passed over. A prompt that comes twice is kept once.
    ///
    /// # Errors
    ///
    /// [`PairsError::File`] where it cannot be read, [`PairsError::Prompt`] with the place of an invalid prompt.
    pub fn read(path: &Path) -> Result<Vec<Self>, PairsError> {
        let text = std::fs::read_to_string(path).map_err(|source| PairsError::file(path, source))?;
        let wrong = |place: usize, problem: String| PairsError::Prompt { path: path.to_owned(), place, problem };
        let mut prompts: Vec<Self> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (place, value) in values(&text).map_err(|(place, error)| wrong(place, error.to_string()))? {
            let prompt = Self::of(value).map_err(|problem| wrong(place, problem))?;
            if seen.insert(prompt.id.clone()) {
                prompts.push(prompt);
            }
        }
        Ok(prompts)
    }

    fn of(value: Value) -> Result<Self, String> {
        let shapes = "it is neither a text nor an object with `prompt` or `messages` (role and content each)";
        let given: Given = serde_json::from_value(value).map_err(|_| shapes.to_owned())?;
        let (turns, id) = match given {
            Given::Text(text) => (Turns::Text(text), None),
            Given::Named { prompt, id } => (prompt, id),
        };
        let messages = match turns {
            Turns::Text(text) => vec![Message::user(text)],
            Turns::Messages(messages) => messages,
        };
        let asks = messages.last().is_some_and(|last| last.role == "user" && !last.content.trim().is_empty());
        if !asks {
            return Err("its last message is not the user's, or is empty".to_owned());
        }
        Ok(Self { id: id.unwrap_or_else(|| id_of(&messages)), messages })
    }
}

/// The values of a file with their places, counted from 1: lines, or items of an array.
fn values(text: &str) -> Result<Vec<(usize, Value)>, (usize, serde_json::Error)> {
    if text.trim_start().starts_with('[') {
        let items: Vec<Value> = serde_json::from_str(text).map_err(|error| (error.line(), error))?;
        return Ok(items.into_iter().enumerate().map(|(at, item)| (at + 1, item)).collect());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map(|v| (at + 1, v)).map_err(|error| (at + 1, error))).collect()
}

fn id_of(messages: &[Message]) -> String {
    let numbers: Vec<u64> =
        messages.iter().flat_map(|m| [draws::of_text(&m.role), draws::of_text(&m.content)]).collect();
    format!("{:016x}", draws::of_numbers(&numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Prompt>, PairsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Prompt::read(file.path())
    }

    #[test]
    fn all_shapes_are_read_and_twins_are_kept_once() {
        let lines = r#"{"prompt": "Why?", "dimension": "x"}

"How?"
{"messages": [{"role": "user", "content": "Why?"}]}
{"id": "mine", "prompt": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}]}"#;
        let prompts = read(lines).unwrap();
        assert_eq!(prompts.iter().map(Prompt::last).collect::<Vec<_>>(), ["Why?", "How?", "C"]);
        assert_eq!((prompts[2].id.as_str(), prompts[2].messages.len()), ("mine", 3));
        let array = read(r#"["Why?", {"id": "k1", "prompt": "How?"}]"#).unwrap();
        assert_eq!(array[0], prompts[0]);
        assert_eq!(array[1].id, "k1");
    }

    #[test]
    fn what_is_no_prompt_is_named_with_its_place() {
        for (text, place) in [
            ("\"a\"\n{\"question\": 1}", 2),
            ("{", 1),
            ("[\"a\", {\"prompt\": []}]", 2),
            (r#"{"prompt": [{"role": "assistant", "content": "B"}]}"#, 1),
        ] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, PairsError::Prompt { place: found, .. } if found == place), "{error}");
        }
    }
}
