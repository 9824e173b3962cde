//! A file of pairs or traces: JSON lines that `pad train` reads, and that a later run continues.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use pad_client::Message;
use serde::{Deserialize, Serialize};

use crate::PairsError;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The conversation that both answer, without any principle.
    pub prompt: Vec<Message>,
    /// The better answer.
    pub chosen: String,
    /// The worse one.
    pub rejected: String,
    /// What it is better in.
    pub dimension: String,
    /// Where the answers come from.
    pub source: String,
    /// The prompt's id.
    pub prompt_id: String,
    /// Whether the model ended the better answer by itself.
    pub chosen_complete: bool,
    /// Whether the model ended the worse one by itself.
    pub rejected_complete: bool,
}

impl Line for Pair {
    fn prompt_id(&self) -> &str {
        &self.prompt_id
    }
}

/// What a file has lines of.
pub trait Line: Serialize {
    /// The id of the prompt that the line belongs to.
    fn prompt_id(&self) -> &str;
}

/// What is looked at in the lines that are there.
#[derive(Deserialize)]
struct Named {
    prompt_id: String,
}

/// The file, open at its end.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
    lines: usize,
    prompts: HashSet<String>,
}

impl Output {
    /// Opens a file and reads which prompts are in it; a last line without its end, which a run left that was broken off, is
    /// taken away.
    ///
    /// # Errors
    ///
    /// [`PairsError::File`], or [`PairsError::Output`] if a line names no prompt.
    pub fn open(path: &Path) -> Result<Self, PairsError> {
        let file = |source| PairsError::file(path, source);
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(file)?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut prompts = HashSet::new();
        let mut lines = 0;
        for (at, line) in text[..whole].lines().enumerate() {
            let named: Named = serde_json::from_str(line).map_err(|error| PairsError::Output {
                path: path.to_owned(),
                line: at + 1,
                problem: error.to_string(),
            })?;
            prompts.insert(named.prompt_id);
            lines += 1;
        }
        let opened = OpenOptions::new().create(true).append(true).open(path).map_err(file)?;
        opened.set_len(whole as u64).map_err(file)?;
        Ok(Self { path: path.to_owned(), file: opened, lines, prompts })
    }

    /// Pairs, or traces, in the file.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Whether lines of this prompt are in the file.
    pub fn has(&self, prompt_id: &str) -> bool {
        self.prompts.contains(prompt_id)
    }

    /// Adds lines, all at once.
    ///
    /// # Errors
    ///
    /// [`PairsError::File`].
    pub fn add(&mut self, lines: &[impl Line]) -> Result<(), PairsError> {
        let file = |source: std::io::Error| PairsError::file(&self.path, source);
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| file(error.into()))?;
            text.push(b'\n');
        }
        self.file.write_all(&text).and_then(|()| self.file.flush()).map_err(file)?;
        self.lines += lines.len();
        self.prompts.extend(lines.iter().map(|line| line.prompt_id().to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(id: &str) -> Pair {
        let text = |text: &str| text.to_owned();
        Pair {
            prompt: vec![Message::user("Why?")],
            chosen: text("So."),
            rejected: text("It is so."),
            dimension: text("concise"),
            source: text("test"),
            prompt_id: id.to_owned(),
            chosen_complete: true,
            rejected_complete: false,
        }
    }

    #[test]
    fn a_broken_line_is_taken_away_and_the_rest_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        Output::open(&path).unwrap().add(&[pair("a"), pair("a"), pair("b")]).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"prompt_id\": \"c")).unwrap();
        let mut output = Output::open(&path).unwrap();
        assert_eq!((output.lines(), output.has("a"), output.has("c")), (3, true, false));
        output.add(&[pair("c")]).unwrap();
        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), 4);
        assert_eq!(serde_json::from_str::<Pair>(lines.lines().last().unwrap()).unwrap(), pair("c"));
    }

    #[test]
    fn a_file_of_something_else_is_not_written_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[]\nhello\n").unwrap();
        let error = Output::open(file.path()).unwrap_err();
        assert!(matches!(error, PairsError::Output { line: 1, .. }), "{error}");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "[]\nhello\n");
    }
}
