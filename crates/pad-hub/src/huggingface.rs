//! Repositories of the Hugging Face hub.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use crate::checksum::{self, Sha256Text};
use crate::record::{FileRecord, Record};
use crate::slot::Slot;
use crate::transfer::{self, Reporter};
use crate::{Hub, HubError};

/// The files of a repository that a model needs, beside its weights.
const FILES: [&str; 8] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "adapter_config.json",
    "persrm.toml",
];

/// One repository at one revision, and the slot that its files go to.
pub(crate) struct Repository<'a> {
    api: Api,
    repo: Repo,
    name: String,
    slot: &'a Slot,
}

impl<'a> Repository<'a> {
    /// A repository. Nothing is asked of the network yet.
    ///
    /// # Errors
    /// [`HubError::HuggingFace`] if the client cannot be made.
    pub(crate) fn new(hub: &Hub, slot: &'a Slot, repository: &str, revision: Option<&str>) -> Result<Self, HubError> {
        let revision = revision.unwrap_or("main");
        let name = format!("{repository}@{revision}");
        let api = api(hub, slot.folder().join("hub"), &name)?;
        let repo = Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned());
        Ok(Self { api, repo, name, slot })
    }

    /// Downloads one GGUF file.
    ///
    /// # Errors
    /// [`HubError::HuggingFace`], [`HubError::Checksum`] or [`HubError::Io`].
    pub(crate) fn pull_file(&self, file: &str, expected: Option<&Sha256Text>) -> Result<Record, HubError> {
        let path = self.download(&self.repo, file)?;
        let sha256 = checksum::of_file(&path, self.slot.progress())?;
        if let Some(expected) = expected
            && let Err(refused) = expected.check(file, &sha256, "it was removed")
        {
            remove_with_target(&path);
            return Err(refused);
        }
        Ok(Record {
            source: self.slot.source().to_owned(),
            files: vec![self.record(&path, Some(sha256))?],
            folder: None,
        })
    }

    /// Downloads the files of a whole model, all of one commit.
    ///
    /// # Errors
    /// [`HubError::HuggingFace`], [`HubError::Io`], or [`HubError::ExpectedChecksum`] since a
    /// folder has none.
    pub(crate) fn pull_all(&self, expected: Option<&Sha256Text>) -> Result<Record, HubError> {
        if let Some(expected) = expected {
            return Err(expected.not_for_a_folder());
        }
        let list = "the list of files";
        let repo = self.api.repo(self.repo.clone());
        let info = self.transfer(list, move |_| repo.info())?;
        let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        let wanted: Vec<&str> = names.iter().map(String::as_str).filter(|n| wanted(n)).collect();
        if !wanted.contains(&"config.json") || !wanted.iter().any(|name| is_weights(name)) {
            let said = format!("a model has config.json and *.safetensors, {}", what_it_has(&names));
            return Err(self.error(list, said));
        }
        let id = self.repo.url();
        let commit = Repo::with_revision(id, RepoType::Model, info.sha);
        let mut files = Vec::new();
        let mut folder = PathBuf::new();
        for name in wanted {
            let path = self.download(&commit, name)?;
            let record = self.record(&path, None)?;
            folder = self.inside(&path).parent().map(Path::to_owned).unwrap_or_default();
            files.push(record);
        }
        Ok(Record { source: self.slot.source().to_owned(), files, folder: Some(folder) })
    }

    fn download(&self, repo: &Repo, file: &str) -> Result<PathBuf, HubError> {
        let repo = self.api.repo(repo.clone());
        let name = file.to_owned();
        self.transfer(file, move |reporter| repo.download_with_progress(&name, reporter))
    }

    fn transfer<T: Send + 'static>(
        &self,
        file: &str,
        work: impl FnOnce(Reporter<Result<T, ApiError>>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, HubError> {
        transfer::run(self.slot.progress(), transfer::SILENCE, work)
            .map_err(|said| self.error(file, said))?
            .map_err(|error| failure(&self.name, file, &error))
    }

    fn record(&self, path: &Path, sha256: Option<String>) -> Result<FileRecord, HubError> {
        FileRecord::of(self.slot.folder(), self.inside(path), sha256)
    }

    /// A path relative to the slot.
    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.slot.folder()).unwrap_or(path).to_owned()
    }

    fn error(&self, file: &str, said: String) -> HubError {
        HubError::HuggingFace { repository: self.name.clone(), file: file.to_owned(), said }
    }
}

/// A client of the hub, with its cache in this folder. Nothing is asked of the network yet.
///
/// # Errors
/// [`HubError::HuggingFace`] if it cannot be made.
pub(crate) fn api(hub: &Hub, cache: PathBuf, repository: &str) -> Result<Api, HubError> {
    // One attempt: without a network the answer comes at once.
    let mut builder =
        ApiBuilder::from_cache(Cache::new(cache)).with_token(hub.token.clone()).with_retries(0).with_progress(false);
    if let Some(endpoint) = &hub.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    builder.build().map_err(|error| failure(repository, "anything", &error))
}

fn failure(repository: &str, file: &str, error: &ApiError) -> HubError {
    HubError::HuggingFace { repository: repository.to_owned(), file: file.to_owned(), said: error.to_string() }
}

/// Whether a file of a repository is part of the model: files of the top folder only, and not
/// the second copy of the weights that some repositories hold in their maker's own format.
fn wanted(name: &str) -> bool {
    let top = !name.contains(['/', '\\']);
    top && (FILES.contains(&name)
        || is_weights(name)
        || name.ends_with(".safetensors.index.json")
        || name.starts_with("value_head."))
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.starts_with("consolidated") && !name.starts_with("value_head.")
}

fn what_it_has(names: &[String]) -> String {
    let models = names.iter().filter(|name| crate::source::is_gguf(Path::new(name)));
    let models: Vec<&str> = models.map(String::as_str).collect();
    if models.is_empty() {
        return format!("and this repository has {}", names.join(", "));
    }
    format!("and this repository has GGUF files, to be chosen by `!`: {}", models.join(", "))
}

/// Removes a file of the hub's cache, where names are links to contents.
fn remove_with_target(path: &Path) {
    if let Ok(target) = path.canonicalize() {
        let _ = std::fs::remove_file(target);
    }
    let _ = std::fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelFiles;
    use crate::fake::ModelHub;

    const REPOSITORY: &[(&str, &str)] = &[
        ("README.md", "no"),
        ("config.json", "{}"),
        ("tokenizer.json", "{\"a\": 1}"),
        ("model-00001-of-00002.safetensors", "weights 1"),
        ("model-00002-of-00002.safetensors", "weights 2"),
        ("model.safetensors.index.json", "{\"b\": 2}"),
        ("consolidated.safetensors", "no"),
        ("original/model.safetensors", "no"),
        ("value_head.bin", "head"),
        ("m.gguf", "gguf"),
    ];

    fn pull(server: &ModelHub, source: &str, sha256: Option<&str>) -> Result<ModelFiles, HubError> {
        server.hub().pull(&source.parse().unwrap(), sha256)
    }

    #[test]
    fn a_repository_becomes_a_folder_once() {
        let server = ModelHub::new(REPOSITORY);
        let files = pull(&server, "hf:org/name", None).unwrap();
        let ModelFiles::Directory(folder) = &files else {
            panic!("{files:?} is no folder");
        };
        let mut here: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        here.sort_unstable();
        let mut expected: Vec<&str> = REPOSITORY[1..6].iter().map(|file| file.0).collect();
        expected.push("value_head.bin");
        expected.sort_unstable();
        assert_eq!(here, expected);
        let second = std::fs::read_to_string(folder.join(REPOSITORY[4].0)).unwrap();
        assert_eq!(second, "weights 2");

        let requests = server.requests();
        assert_eq!(pull(&server, "hf:org/name", None).unwrap(), files);
        assert_eq!(server.requests(), requests, "the cache needs no network");
        std::fs::remove_file(folder.join("tokenizer.json")).unwrap();
        assert_eq!(pull(&server, "hf:org/name", None).unwrap(), files);
        assert!(folder.join("tokenizer.json").exists());
    }

    #[test]
    fn one_file_is_checked() {
        let server = ModelHub::new(REPOSITORY);
        let wrong = "0".repeat(64);
        let error = pull(&server, "hf:org/name!m.gguf", Some(&wrong)).unwrap_err();
        assert!(matches!(error, HubError::Checksum { .. }), "{error}");
        let right = checksum::of_text("gguf");
        let files = pull(&server, "hf:org/name!m.gguf", Some(&right)).unwrap();
        let ModelFiles::Gguf(path) = files else {
            panic!("{files:?} is no file");
        };
        assert_eq!(std::fs::read_to_string(path).unwrap(), "gguf");
    }

    #[test]
    fn a_folder_has_no_checksum() {
        let server = ModelHub::new(REPOSITORY);
        let error = pull(&server, "hf:org/name", Some(&"0".repeat(64))).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
        assert_eq!(server.requests(), 0);
    }

    #[test]
    fn failures_name_the_repository_and_the_file() {
        let server = ModelHub::new(&[("a.gguf", "x"), ("README.md", "y")]);
        let check = |source: &str, parts: &[&str]| {
            let error = pull(&server, source, None).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        };
        check("hf:org/other@v2", &["org/other@v2", "the list of files", "404"]);
        check("hf:org/name!b.gguf", &["org/name@main", "b.gguf", "404"]);
        check("hf:org/name", &["config.json", "by `!`: a.gguf"]);
    }
}
