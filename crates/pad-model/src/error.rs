//! What can go wrong between a checkpoint and a hidden state.

use std::path::PathBuf;

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A configuration is malformed, or asks for something that is not supported.
    #[error("{}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, what is allowed.
        message: String,
    },
    /// A tensor is missing or has another shape than the configuration says.
    #[error("{}: {message}", path.display())]
    Weights {
        /// The checkpoint.
        path: PathBuf,
        /// Which tensor, what is wrong with it.
        message: String,
    },
    /// A batch that the model cannot take.
    #[error("batch: {0}")]
    Batch(String),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// What a tensor operation says, without the trace of calls that candle adds where `RUST_BACKTRACE` is set.
pub(crate) fn plain(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } | candle_core::Error::WithPath { inner, .. } => plain(inner),
        candle_core::Error::Context { inner, context } => format!("{context}: {}", plain(inner)),
        other => other.to_string(),
    }
}

impl ModelError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }

    /// That a batch names an adapter which was not added.
    pub fn no_adapter(adapter: usize) -> Self {
        Self::Batch(format!("there is no adapter {adapter}"))
    }

    pub(crate) fn config(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Config { path: path.into(), message: message.into() }
    }

    pub(crate) fn weights(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Weights { path: path.into(), message: message.into() }
    }
}
