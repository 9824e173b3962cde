//! A file of results that grows by one line per result, so that an interrupted run continues where it stopped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::EvalError;

/// A record of a journal, with a unique id.
pub trait Record: Serialize + DeserializeOwned {
    /// The id.
    fn id(&self) -> &str;
}

/// The records so far, and the file that gets the next ones.
#[derive(Debug)]
pub struct Journal<R> {
    path: PathBuf,
    file: File,
    records: HashMap<String, R>,
}

impl<R: Record> Journal<R> {
    /// Opens a journal, or begins one. A last line that was cut, by a crash or a full disk, is dropped.
    ///
    /// # Errors
    ///
    /// When the file cannot be used, or a line in the middle is not a record.
    pub fn open(path: &Path) -> Result<Self, EvalError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(EvalError::io("open", path))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(EvalError::io("read", path))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut records = HashMap::new();
        for (number, line) in text[..whole].lines().enumerate() {
            let record: R = serde_json::from_str(line)
                .map_err(|error| EvalError::file(path, format!("line {}: {error}", number + 1)))?;
            records.insert(record.id().to_owned(), record);
        }
        file.set_len(whole as u64).map_err(EvalError::io("write", path))?;
        file.seek(SeekFrom::End(0)).map_err(EvalError::io("write", path))?;
        Ok(Self { path: path.to_owned(), file, records })
    }

    /// The record of an id.
    pub fn get(&self, id: &str) -> Option<&R> {
        self.records.get(id)
    }

    /// Adds a record, replacing one with the same id.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, record: R) -> Result<(), EvalError> {
        let mut line =
            serde_json::to_string(&record).map_err(|error| EvalError::file(&self.path, error.to_string()))?;
        line.push('\n');
        // One write: a line is whole or, after a crash, the last one.
        self.file.write_all(line.as_bytes()).map_err(EvalError::io("write", &self.path))?;
        self.records.insert(record.id().to_owned(), record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        id: String,
        value: u32,
    }

    impl Record for Note {
        fn id(&self) -> &str {
            &self.id
        }
    }

    fn note(id: &str, value: u32) -> Note {
        Note { id: id.to_owned(), value }
    }

    #[test]
    fn records_outlive_the_run_and_a_cut_line_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        journal.add(note("a", 1)).unwrap();
        journal.add(note("b", 2)).unwrap();
        drop(journal);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"id\": \"c\", \"val");
        std::fs::write(&path, text).unwrap();
        let mut journal: Journal<Note> = Journal::open(&path).unwrap();
        assert_eq!((journal.get("a"), journal.get("c")), (Some(&note("a", 1)), None));
        journal.add(note("a", 3)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3, "the cut line is gone");
        let journal: Journal<Note> = Journal::open(&path).unwrap();
        assert_eq!(journal.get("a"), Some(&note("a", 3)), "the last one holds");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.jsonl");
        std::fs::write(&path, "{\"id\": \"a\", \"value\": 1}\nnonsense\n").unwrap();
        let error = Journal::<Note>::open(&path).unwrap_err().to_string();
        assert!(error.contains("notes.jsonl: line 2"), "{error}");
    }
}
