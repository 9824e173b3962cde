//! SHA-256 checksums of files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::HubError;
use crate::progress::Progress;

/// An expected checksum: 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sha256Text(String);

impl FromStr for Sha256Text {
    type Err = HubError;

    fn from_str(given: &str) -> Result<Self, HubError> {
        if given.len() == 64 && given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(given.to_ascii_lowercase()));
        }
        Err(HubError::ExpectedChecksum { given: given.to_owned(), problem: "it must have 64 hexadecimal digits" })
    }
}

impl Sha256Text {
    /// Whether this is the checksum.
    pub(crate) fn is(&self, actual: &str) -> bool {
        self.0 == actual
    }

    /// Refuses a file with another checksum.
    ///
    /// # Errors
    /// [`HubError::Checksum`].
    pub(crate) fn check(&self, file: &str, actual: &str, consequence: &'static str) -> Result<(), HubError> {
        if self.is(actual) {
            return Ok(());
        }
        Err(HubError::Checksum {
            file: file.to_owned(),
            expected: self.0.clone(),
            actual: actual.to_owned(),
            consequence,
        })
    }

    /// The error of a checksum given for a folder.
    pub(crate) fn not_for_a_folder(&self) -> HubError {
        HubError::ExpectedChecksum {
            given: self.0.clone(),
            problem: "the model is a folder, and only a single file can be checked",
        }
    }
}

/// The checksum of a file.
///
/// # Errors
/// [`HubError::Io`].
pub(crate) fn of_file(path: &Path, progress: Progress) -> Result<String, HubError> {
    let failed = || HubError::io("read", path);
    let file = File::open(path).map_err(failed())?;
    let len = file.metadata().map_err(failed())?.len();
    let bar = progress.bar("checking", len);
    let checksum = copy(bar.wrap_read(file), io::sink()).map_err(failed())?;
    bar.finish_and_clear();
    Ok(checksum)
}

/// The SHA-256 of a file in lower-case hexadecimal.
///
/// # Errors
/// [`HubError::Io`].
pub fn sha256_of_file(path: &Path) -> Result<String, HubError> {
    of_file(path, Progress::new(false))
}

/// A writer that computes the checksum of what passes through.
#[derive(Debug)]
pub(crate) struct Hashing<W> {
    to: W,
    digest: Sha256,
}

impl<W: Write> Hashing<W> {
    /// A writer to `to`.
    pub(crate) fn new(to: W) -> Self {
        Self { to, digest: Sha256::new() }
    }

    /// What was written to, and the checksum of all that was.
    pub(crate) fn finish(self) -> (W, String) {
        (self.to, hex(&self.digest.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.to.write(bytes)?;
        self.digest.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Copies bytes and gives their checksum.
///
/// # Errors
/// Those of the reader and the writer.
fn copy(from: impl Read, to: impl Write) -> io::Result<String> {
    let mut hashing = Hashing::new(to);
    copy_into(from, &mut hashing)?;
    Ok(hashing.finish().1)
}

/// Copies bytes in pieces of a size that keeps both ends busy.
///
/// # Errors
/// Those of the reader and the writer.
pub(crate) fn copy_into(from: impl Read, to: &mut impl Write) -> io::Result<()> {
    io::copy(&mut io::BufReader::with_capacity(1 << 18, from), to)?;
    Ok(())
}

/// The checksum of a short text.
pub(crate) fn of_text(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums() {
        let mut copied = Vec::new();
        let checksum = copy(&b"abc"[..], &mut copied).unwrap();
        assert_eq!(copied, b"abc");
        assert_eq!(checksum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let long = vec![7_u8; (1 << 18) * 2 + 1];
        assert_eq!(copy(&long[..], io::sink()).unwrap(), hex(&Sha256::digest(&long)));
    }

    #[test]
    fn an_expected_checksum_is_64_digits_of_any_case() {
        let digits = "AB".repeat(32);
        assert!(digits.parse::<Sha256Text>().unwrap().is(&"ab".repeat(32)));
        for wrong in ["", "ab", &"g".repeat(64), &"a".repeat(65)] {
            let error = wrong.parse::<Sha256Text>().unwrap_err().to_string();
            assert!(error.contains("64"), "{error}");
        }
    }
}
