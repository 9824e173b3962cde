//! The questions that the model wrote, kept in a file so that an interrupted run does not generate them again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::PairsError;

/// A line: the question of one place in the list of a seed.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    seed: u64,
    number: usize,
    question: String,
}

/// The questions of a seed so far, and the file that gets the next ones.
#[derive(Debug)]
pub struct Questions {
    path: PathBuf,
    file: File,
    seed: u64,
    known: HashMap<usize, String>,
}

impl Questions {
    /// Opens a file and reads the questions of this seed; a last line that was cut is taken away.
    ///
    /// # Errors
    ///
    /// [`PairsError::File`], or [`PairsError::Questions`] if a line is not a question.
    pub fn open(path: &Path, seed: u64) -> Result<Self, PairsError> {
        let failed = |source| PairsError::file(path, source);
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(failed)?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut known = HashMap::new();
        for (at, line) in text[..whole].lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|error| PairsError::Questions {
                path: path.to_owned(),
                line: at + 1,
                problem: error.to_string(),
            })?;
            if line.seed == seed {
                known.insert(line.number, line.question);
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, seed, known })
    }

    /// The seed that the questions were drawn with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The question of a place in the list.
    pub fn get(&self, number: usize) -> Option<&str> {
        self.known.get(&number).map(String::as_str)
    }

    /// Writes a question.
    ///
    /// # Errors
    ///
    /// [`PairsError::File`].
    pub fn add(&mut self, number: usize, question: String) -> Result<(), PairsError> {
        let line = Line { seed: self.seed, number, question };
        let failed = |source: std::io::Error| PairsError::file(&self.path, source);
        let text = serde_json::to_string(&line).map_err(|error| failed(error.into()))? + "\n";
        // One write: after a crash only the last line may be cut.
        self.file.write_all(text.as_bytes()).map_err(failed)?;
        self.known.insert(number, line.question);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_outlive_the_run_and_belong_to_their_seed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("questions.jsonl");
        let mut questions = Questions::open(&path, 7).unwrap();
        questions.add(2, "Why?".to_owned()).unwrap();
        drop(questions);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"seed\": 7, \"num")).unwrap();
        let mut questions = Questions::open(&path, 7).unwrap();
        assert_eq!((questions.get(2), questions.get(0)), (Some("Why?"), None));
        questions.add(0, "How?".to_owned()).unwrap();
        assert_eq!(Questions::open(&path, 7).unwrap().get(0), Some("How?"), "the cut line is gone");
        assert_eq!(Questions::open(&path, 8).unwrap().get(2), None);
        std::fs::write(&path, "hello\n").unwrap();
        let error = Questions::open(&path, 7).unwrap_err().to_string();
        assert!(error.contains("line 1 is not a question"), "{error}");
    }
}
