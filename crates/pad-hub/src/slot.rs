//! The place of one source in the cache.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::checksum::{self, Sha256Text};
use crate::progress::Progress;
use crate::record::Record;
use crate::{HubError, ModelFiles, Source};

const RECORD: &str = "pulled.json";
const LOCK: &str = "lock";
/// Names that start so are downloads under way, or left by an interrupted one.
const UNFINISHED: &str = ".download-";

/// The folder of one source: its files, their record, a lock, and downloads under way.
#[derive(Debug)]
pub(crate) struct Slot {
    folder: PathBuf,
    source: String,
    progress: Progress,
}

/// The right to change a slot, held by one process at a time.
#[derive(Debug)]
pub(crate) struct SlotLock(#[expect(dead_code, reason = "closing the file unlocks it")] File);

impl Slot {
    /// The slot of a source. Nothing is created.
    pub(crate) fn new(root: &Path, source: &Source, progress: Progress) -> Self {
        let source = source.to_string();
        Self { folder: root.join(folder_name(&source)), source, progress }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model, if it lies here whole and is the one that is expected.
    ///
    /// # Errors
    /// [`HubError::ExpectedChecksum`] for a checksum of a folder.
    pub(crate) fn cached(&self, expected: Option<&Sha256Text>) -> Result<Option<ModelFiles>, HubError> {
        let path = self.folder.join(RECORD);
        let Some(record) = Record::read(&path).filter(|record| record.source == self.source) else {
            return Ok(None);
        };
        if let Some(expected) = expected
            && !record.is(expected)?
        {
            return Ok(None);
        }
        let Some(verified) = record.verified(&self.folder, self.progress) else {
            return Ok(None);
        };
        if verified != record {
            // Saves the next start the same work; a cache that cannot be written still serves.
            let _ = self.download_file().and_then(|file| verified.write(file, &path));
        }
        Ok(verified.model(&self.folder))
    }

    /// Waits until no other process changes the slot, and clears what an interrupted one left.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub(crate) fn lock(&self) -> Result<SlotLock, HubError> {
        std::fs::create_dir_all(&self.folder).map_err(HubError::io("create", &self.folder))?;
        let path = self.folder.join(LOCK);
        let file = File::create(&path).map_err(HubError::io("create", &path))?;
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let spinner = self.progress.spinner("waiting for another process");
                spinner.tick();
                let locked = file.lock();
                spinner.finish_and_clear();
                locked
            }
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        locked.map_err(HubError::io("lock", &path))?;
        self.clear_unfinished();
        Ok(SlotLock(file))
    }

    /// A folder for a download; removed with its content when dropped.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub(crate) fn download_folder(&self) -> Result<TempDir, HubError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)
            .map_err(HubError::io("create a folder in", &self.folder))
    }

    /// A file for a download; removed when dropped, unless it was renamed.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub(crate) fn download_file(&self) -> Result<NamedTempFile, HubError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            // Not `tempfile_in`, whose files only their owner may read.
            .make_in(&self.folder, |path| File::create_new(path))
            .map_err(HubError::io("create a file in", &self.folder))
    }

    /// Records what was pulled and gives it out.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub(crate) fn keep(&self, record: &Record) -> Result<ModelFiles, HubError> {
        record.write(self.download_file()?, &self.folder.join(RECORD))?;
        record
            .model(&self.folder)
            .ok_or_else(|| HubError::NotAModel { path: self.folder.clone(), problem: "nothing was downloaded".into() })
    }

    /// The source as text, as records hold it.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// How progress is shown.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// Leftovers cost room and nothing else: what cannot be removed stays.
    fn clear_unfinished(&self) {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let path = entry.path();
                let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
            }
        }
    }
}

/// A readable folder name, and a few digits that make it this source's own.
fn folder_name(source: &str) -> String {
    let readable = source.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-' | '='), "-");
    let short: String = readable.chars().take(100).collect();
    format!("{short}-{}", &checksum::of_text(source)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_readable_and_differ() {
        let name = folder_name("hf:org/name@main!a/m.gguf");
        assert!(name.starts_with("hf-org-name-main-a-m.gguf-"), "{name}");
        assert_ne!(folder_name("hf:a/b-c"), folder_name("hf:a/b/c"));
        assert!(folder_name(&"x".repeat(300)).len() < 120);
    }
}
