//! The file of an SQLite database.

use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// A file that is there and can be written.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

impl DatabaseFile {
    /// Makes the file and the folders around it, for their owner only, or finds that it cannot be written.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub(crate) fn make(path: &Path) -> Result<Self, StoreError> {
        let made = || -> io::Result<Metadata> {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            file.metadata()
        };
        let metadata = made().map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), identity: identity(&metadata) })
    }

    /// Finds out whether it is still there. SQLite would go on with a file that was deleted, and all that it acknowledged would be lost.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no file or another one.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let gone = |why: &str| StoreError::Unavailable(format!("the file {} {why}", self.path.display()));
        match std::fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(()),
            Ok(_) => Err(gone("was replaced by another one; restart the server to use that")),
            Err(error) => Err(gone(&format!("is not there any more: {error}"))),
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep").join("pad.sqlite");
        let file = DatabaseFile::make(&path).expect("it is made");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert!(file.check().is_ok());
        std::fs::rename(&path, folder.path().join("away")).expect("moved");
        assert!(file.check().is_err_and(|error| error.to_string().contains("not there any more")));
        std::fs::write(&path, "another").expect("written");
        assert!(file.check().is_err_and(|error| error.to_string().contains("replaced")));
        std::fs::rename(folder.path().join("away"), &path).expect("moved back");
        assert!(file.check().is_ok());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("file"), "").expect("written");
        let path = folder.path().join("file").join("pad.sqlite");
        let error = DatabaseFile::make(&path).expect_err("a file is no folder").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
