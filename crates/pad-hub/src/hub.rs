//! Where models are kept, and how they are downloaded.

use std::path::PathBuf;

/// Finds models, and downloads those that are not here yet.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(crate) root: PathBuf,
    pub(crate) progress: bool,
    pub(crate) python: PathBuf,
    pub(crate) token: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl Hub {
    /// A hub that keeps its downloads under `root`, and shows progress on standard error if
    /// that is wished and a terminal.
    pub fn new(root: PathBuf, progress: bool) -> Self {
        Self { root, progress, python: PathBuf::from("python3"), token: None, endpoint: None }
    }

    /// The Python interpreter whose pip downloads packages; `python3` if not set.
    #[must_use]
    pub fn with_python(mut self, python: PathBuf) -> Self {
        self.python = python;
        self
    }

    /// The access token for private repositories of the Hugging Face hub.
    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// The address of the Hugging Face hub, or of a mirror; the public hub if not set.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Option<String>) -> Self {
        self.endpoint = endpoint;
        self
    }
}
