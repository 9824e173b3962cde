//! What can go wrong in an evaluation.

use std::path::{Path, PathBuf};

/// Every error of this crate. Each names the file, the server or the command that is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A file or folder could not be used.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place where it is known.
        problem: String,
    },
    /// A value that was asked for cannot be used.
    #[error("{what} is `{given}`: {problem}")]
    Value {
        /// What was given.
        what: &'static str,
        /// How.
        given: String,
        /// What is wrong with it, and what is allowed.
        problem: String,
    },
    /// The results in the folder were made with other settings.
    #[error("{path} was made with {setting} {before}, not {now}; give the same settings again, or another folder")]
    OtherRun {
        /// The folder's file of settings.
        path: PathBuf,
        /// The setting that differs.
        setting: &'static str,
        /// What it was.
        before: String,
        /// What it is.
        now: String,
    },
    /// A server did not answer, or refused.
    #[error(transparent)]
    Server(#[from] pad_client::ClientError),
    /// A scorer failed.
    #[error("the scorer `{command}` {problem}")]
    Scorer {
        /// Its command.
        command: String,
        /// What it did.
        problem: String,
    },
    /// There is nothing to be measured.
    #[error("nothing to evaluate: {0}")]
    Nothing(String),
}

impl EvalError {
    /// For `map_err` on an operation with a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// A file that holds something else than it should.
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }
}
