//! Where the bytes of a tensor are stored, and how a range of them is read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ModelError;

/// An open checkpoint file that several threads read.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    file: File,
    size: u64,
}

impl TensorFile {
    /// Open a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = File::open(path).map_err(ModelError::io(path))?;
        let size = file.metadata().map_err(ModelError::io(path))?.len();
        Ok(Self { path: path.to_owned(), file, size })
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Read the bytes from `start` on, as many as `out` takes.
    ///
    /// # Errors
    /// If the file cannot be read or ends before.
    pub fn read(&self, start: u64, out: &mut [u8]) -> Result<(), ModelError> {
        read_at(&self.file, start, out).map_err(ModelError::io(&self.path))
    }
}

#[cfg(unix)]
fn read_at(file: &File, start: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, start)
}

/// Every read moves the file's only position before it reads, so they must not overlap.
#[cfg(not(unix))]
fn read_at(file: &File, start: u64, out: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    use std::sync::{Mutex, PoisonError};
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(out)
}

/// The bytes of one tensor.
#[derive(Clone, Debug)]
pub struct TensorBytes {
    /// For messages.
    name: String,
    file: Arc<TensorFile>,
    start: u64,
}

impl TensorBytes {
    /// The bytes of `file` from `start` on.
    pub fn new(name: &str, file: &Arc<TensorFile>, start: u64) -> Self {
        Self { name: name.to_owned(), file: Arc::clone(file), start }
    }

    /// Checks that the file has this many bytes from there.
    ///
    /// # Errors
    /// If it ends before.
    pub fn check(&self, needed: u64) -> Result<(), ModelError> {
        let (start, left) = (self.start, self.file.size().saturating_sub(self.start));
        if needed <= left {
            return Ok(());
        }
        Err(self.error(format!("it takes {needed} bytes from {start} on, but the file has {left} there")))
    }

    /// Read the bytes from `start` of the tensor on, as many as `out` takes.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&self, start: u64, out: &mut [u8]) -> Result<(), ModelError> {
        self.file.read(self.start + start, out)
    }

    /// An error about this tensor.
    pub fn error(&self, message: impl std::fmt::Display) -> ModelError {
        ModelError::weights(self.file.path(), format!("tensor {}: {message}", self.name))
    }
}
