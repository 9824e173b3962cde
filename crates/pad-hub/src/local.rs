//! Models that are already on this machine.

use std::path::Path;

use crate::checksum::{self, Sha256Text};
use crate::progress::Progress;
use crate::source::is_gguf;
use crate::{HubError, ModelFiles};

/// The files at a path, which the user keeps: nothing is written there or removed.
///
/// # Errors
/// [`HubError::NotAModel`] for a path that holds none, [`HubError::Checksum`] for another file
/// than the expected one, [`HubError::ExpectedChecksum`] for a checksum of a folder.
pub(crate) fn files(path: &Path, expected: Option<&Sha256Text>, progress: Progress) -> Result<ModelFiles, HubError> {
    let not_a_model = |problem: &str| HubError::NotAModel { path: path.to_owned(), problem: problem.to_owned() };
    let metadata = std::fs::metadata(path).map_err(|error| not_a_model(&format!("cannot open it: {error}")))?;
    if metadata.is_dir() {
        if let Some(expected) = expected {
            return Err(expected.not_for_a_folder());
        }
        if !path.join("config.json").is_file() {
            return Err(not_a_model("the folder has no config.json"));
        }
        return Ok(ModelFiles::Directory(path.to_owned()));
    }
    if !is_gguf(path) {
        return Err(not_a_model("a file must be a .gguf; for safetensors give the folder"));
    }
    if let Some(expected) = expected {
        let actual = checksum::of_file(path, progress)?;
        expected.check(&path.display().to_string(), &actual, "it is not used")?;
    }
    Ok(ModelFiles::Gguf(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(path: &Path, expected: Option<&str>) -> Result<ModelFiles, HubError> {
        let expected = expected.map(|text| text.parse().unwrap());
        files(path, expected.as_ref(), Progress::silent())
    }

    #[test]
    fn a_folder_needs_a_config_and_a_file_the_extension() {
        let dir = tempfile::tempdir().unwrap();
        let error = pull(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
        std::fs::write(dir.path().join("config.json"), "{}").unwrap();
        let files = pull(dir.path(), None).unwrap();
        assert_eq!(files, ModelFiles::Directory(dir.path().to_owned()));

        let gguf = dir.path().join("m.GGUF");
        let error = pull(&gguf, None).unwrap_err().to_string();
        assert!(error.contains("m.GGUF"), "{error}");
        std::fs::write(&gguf, "x").unwrap();
        assert_eq!(pull(&gguf, None).unwrap(), ModelFiles::Gguf(gguf));
        let error = pull(&dir.path().join("config.json"), None).unwrap_err();
        assert!(error.to_string().contains(".gguf"), "{error}");
    }

    #[test]
    fn a_users_file_is_checked_and_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.gguf");
        std::fs::write(&path, "abc").unwrap();
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(pull(&path, Some(right)).is_ok());
        let error = pull(&path, Some(&"0".repeat(64))).unwrap_err().to_string();
        assert!(error.contains(right), "{error}");
        assert!(path.exists());
    }
}
