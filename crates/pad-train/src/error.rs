//! What can go wrong between answers and a reward model.

use std::path::PathBuf;

use pad_model::ModelError;
use pad_text::TextError;

/// Why a training cannot start, go on or be saved.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of a file of pairs or traces is something else.
    #[error("{} line {line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The field, what is wrong with it.
        message: String,
    },
    /// A setting that cannot be used.
    #[error("{field}: {message}")]
    Setting {
        /// The setting's name.
        field: &'static str,
        /// Its value, what is allowed.
        message: String,
    },
    /// A checkpoint that does not belong to this training, or is damaged.
    #[error("{}: {message}", path.display())]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// Training went wrong numerically.
    #[error("{0}")]
    Diverged(String),
    /// The base model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A text cannot be turned into tokens.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl TrainError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }

    pub(crate) fn setting(field: &'static str, message: impl Into<String>) -> Self {
        Self::Setting { field, message: message.into() }
    }

    pub(crate) fn checkpoint(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.into(), message: message.into() }
    }
}
