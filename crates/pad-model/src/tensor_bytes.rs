//! Where the bytes of a tensor are stored, and how a range of them is read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ModelError;

/// An open checkpoint file that several threads read.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    /// None: what is read is made up.
    file: Option<File>,
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
        Ok(Self { path: path.to_owned(), file: Some(file), size })
    }

    /// A file without end of numbers in bfloat16, between 2^-6 and 2^-5 in size; `path` is for messages.
    pub fn random(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, size: u64::MAX }
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
        let Some(file) = &self.file else {
            made_up(start, out);
            return Ok(());
        };
        read_at(file, start, out).map_err(ModelError::io(&self.path))
    }
}

/// Four numbers for each word of 64 bits: splitmix64 of the word's place gives their signs and the bits behind the point.
fn made_up(start: u64, out: &mut [u8]) {
    let word = |place: u64| {
        let mut bits = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) & 0x807f_807f_807f_807f | 0x3c80_3c80_3c80_3c80).to_le_bytes()
    };
    let skipped = (start % 8) as usize;
    let (first, rest) = out.split_at_mut(if skipped == 0 { 0 } else { out.len().min(8 - skipped) });
    first.copy_from_slice(&word(start / 8)[skipped..][..first.len()]);
    for (place, out) in (start.div_ceil(8)..).zip(rest.chunks_mut(8)) {
        out.copy_from_slice(&word(place)[..out.len()]);
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
