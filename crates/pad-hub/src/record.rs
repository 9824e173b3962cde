//! The record of pulled files: a small JSON file beside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::checksum::{self, Sha256Text};
use crate::progress::Progress;
use crate::{HubError, ModelFiles};

/// What was pulled, and how its files looked then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The source as text.
    pub(crate) source: String,
    /// The files.
    pub(crate) files: Vec<FileRecord>,
    /// The folder of the files, if the model is a folder.
    pub(crate) folder: Option<PathBuf>,
}

/// How one file looked when it was pulled. Its path is relative to the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    path: PathBuf,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    /// The checksum, for a model of a single file.
    sha256: Option<String>,
}

impl FileRecord {
    /// How a file looks now.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub(crate) fn of(slot: &Path, path: PathBuf, sha256: Option<String>) -> Result<Self, HubError> {
        let file = slot.join(&path);
        let failed = || HubError::io("read", &file);
        let metadata = std::fs::metadata(&file).map_err(failed())?;
        let modified = metadata.modified().map_err(failed())?;
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { path, bytes: metadata.len(), modified: since.as_nanos() as u64, sha256 })
    }

    /// The file as recorded, looked at again: the same record if size and time are unchanged; a
    /// new one if only the time changed and the checksum is still right; `None` otherwise.
    fn verified(&self, slot: &Path, progress: Progress) -> Option<Self> {
        let now = Self::of(slot, self.path.clone(), self.sha256.clone()).ok()?;
        if now == *self {
            return Some(now);
        }
        if now.bytes != self.bytes {
            return None;
        }
        let checksum = checksum::of_file(&slot.join(&self.path), progress).ok()?;
        (Some(checksum) == self.sha256).then_some(now)
    }
}

impl Record {
    /// Reads a record; `None` if there is none that can be read.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes the record through a temporary file, so that it is whole or not there.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub(crate) fn write(&self, mut unfinished: NamedTempFile, path: &Path) -> Result<(), HubError> {
        let failed = || HubError::io("write", path);
        let json = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        json.and_then(|json| unfinished.write_all(&json)).map_err(failed())?;
        unfinished.persist(path).map_err(|error| failed()(error.error))?;
        Ok(())
    }

    /// The record with every file looked at again; `None` if one is missing or has changed.
    pub(crate) fn verified(&self, slot: &Path, progress: Progress) -> Option<Self> {
        let files = self.files.iter().map(|file| file.verified(slot, progress));
        Some(Self { files: files.collect::<Option<Vec<_>>>()?, ..self.clone() })
    }

    /// Whether this is the file that is asked for.
    ///
    /// # Errors
    /// [`HubError::ExpectedChecksum`] if the model is a folder.
    pub(crate) fn is(&self, expected: &Sha256Text) -> Result<bool, HubError> {
        if self.folder.is_some() {
            return Err(expected.not_for_a_folder());
        }
        let mut sums = self.files.iter().map(|file| file.sha256.as_deref());
        Ok(sums.all(|sum| sum.is_some_and(|sum| expected.is(sum))))
    }

    /// Where the model's files are.
    pub(crate) fn model(&self, slot: &Path) -> Option<ModelFiles> {
        match (&self.folder, self.files.as_slice()) {
            (Some(folder), _) => Some(ModelFiles::Directory(slot.join(folder))),
            (None, [file]) => Some(ModelFiles::Gguf(slot.join(&file.path))),
            (None, _) => None,
        }
    }
}
