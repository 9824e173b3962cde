//! Pairs of answers, as files store them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use pad_text::Message;
use serde::Deserialize;

use crate::TrainError;

/// One line of a file: two answers to one conversation, of which the first is better on `dimension`.
#[derive(Clone, Debug, Deserialize)]
pub struct Pair {
    /// The conversation, the last message the user's.
    pub prompt: Vec<Turn>,
    /// The better answer.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
    /// In which sense it is better.
    pub dimension: String,
    /// Where the pair comes from.
    #[serde(default)]
    pub source: String,
    /// Whether the better answer is whole; if not, the end-of-turn token does not belong to it.
    #[serde(default = "whole")]
    pub chosen_complete: bool,
    /// The same of the other.
    #[serde(default = "whole")]
    pub rejected_complete: bool,
}

/// A message of the conversation.
#[derive(Clone, Debug, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: String,
    /// The content.
    pub content: String,
}

impl Turn {
    /// The message for the chat template.
    pub(crate) fn message(&self) -> Message {
        Message::new(&self.role, &self.content)
    }
}

fn whole() -> bool {
    true
}

impl Pair {
    /// The conversation for the chat template.
    pub fn messages(&self) -> Vec<Message> {
        self.prompt.iter().map(Turn::message).collect()
    }

    fn check(&self) -> Result<(), String> {
        let last = self.prompt.last().ok_or("prompt: no messages")?;
        if last.role != "user" {
            return Err(format!("prompt: the last message is the {}'s, not the user's", last.role));
        }
        for (field, text) in [("chosen", &self.chosen), ("rejected", &self.rejected)] {
            if text.trim().is_empty() {
                return Err(format!("{field}: empty"));
            }
        }
        if self.dimension.is_empty()
            || !self.dimension.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        {
            return Err(format!("dimension: {:?} is not a name of letters, digits, _ and -", self.dimension));
        }
        Ok(())
    }
}

/// The pairs of a JSONL file, compressed if its name ends in `.gz`. Empty lines are skipped.
///
/// # Errors
/// [`TrainError::Io`], or [`TrainError::Line`] naming the line and the field.
pub fn read(path: &Path) -> Result<Vec<Pair>, TrainError> {
    let file = File::open(path).map_err(TrainError::io(path))?;
    let packed = path.extension().is_some_and(|e| e == "gz");
    let reader: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut pairs = Vec::new();
    for (index, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(TrainError::io(path))?;
        if line.trim().is_empty() {
            continue;
        }
        let fail = |message| TrainError::Line { path: path.to_owned(), line: index + 1, message };
        let mut json = serde_json::Deserializer::from_str(&line);
        let pair: Pair = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let field = error.path().to_string();
            fail(if field == "." { error.inner().to_string() } else { format!("{field}: {}", error.inner()) })
        })?;
        json.end().map_err(|error| fail(error.to_string()))?;
        pair.check().map_err(fail)?;
        pairs.push(pair);
    }
    Ok(pairs)
}
