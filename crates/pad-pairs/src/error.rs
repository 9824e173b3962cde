//! What can go wrong between a principle and its pairs.

use std::path::{Path, PathBuf};

/// Every error of this crate. Each says what was tried and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of prompts holds something else.
    #[error("{path}, prompt or line {place}: {problem}")]
    Prompt {
        /// The file.
        path: PathBuf,
        /// Which line, or which item of an array, counted from 1.
        place: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The lines that are there already are something else.
    #[error(
        "{path} line {line} names no prompt: {problem}; lines are appended to an existing file, which must hold such lines only"
    )]
    Output {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The questions that are there already are none.
    #[error("{path} line {line} is not a question: {problem}")]
    Questions {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A value of the plan cannot be used.
    #[error("{name} is {value}, but must be {allowed}")]
    Plan {
        /// The value's name.
        name: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The server did not answer as a chat server does.
    #[error(transparent)]
    Server(#[from] pad_client::ClientError),
    /// The server's answers have no rewards of every dimension.
    #[error(
        "{url}: its traces lack rewards; a PAD Server with a prompted reward model of these dimensions is expected"
    )]
    Untraced {
        /// The server.
        url: String,
    },
    /// The scorer command cannot be run or did not end well.
    #[error("the scorer `{command}` {problem}")]
    Scorer {
        /// The command line.
        command: String,
        /// What happened.
        problem: String,
    },
    /// The scorer wrote a line that is not a score.
    #[error("the scorer `{command}`, line {line} of its output: {problem}")]
    Score {
        /// The command line.
        command: String,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl PairsError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
