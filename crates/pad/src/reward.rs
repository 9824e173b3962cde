//! The reward model of the settings: its manifest, and where its weights are.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use pad_hub::Source;
use pad_reward::{GuideAdapter, Manifest, OwnModel, RewardModel, TrainedParts};
use pad_text::Chat;

use crate::loading::BaseModel;
use crate::settings::RewardSettings;
use crate::shipped;

/// The manifest's name in a reward model's folder.
const MANIFEST: &str = "persrm.toml";

/// A reward model, and where its own weights are.
#[derive(Debug)]
pub struct RewardSource {
    /// Dimensions, principles and prompts.
    pub model: RewardModel,
    /// The folders or sources of the language models that it brings: a checkpoint's, a backbone's that is not the base model, its guides'.
    pub models: Vec<String>,
    /// The adapters of its guides.
    pub adapters: Vec<LocatedAdapter>,
    /// The files of its control vectors.
    pub vectors: Vec<PathBuf>,
    /// The folder of the manifest, where adapter and heads are.
    pub folder: Option<PathBuf>,
}

/// An adapter that a guide names.
#[derive(Debug, PartialEq, Eq)]
pub struct LocatedAdapter {
    /// The model that it changes, by order of [`RewardSource::models`]; none for the base model.
    pub of: Option<usize>,
    /// Where it is.
    pub folder: PathBuf,
}

impl RewardSource {
    /// Reads and checks the manifest; `None` when steering is off.
    ///
    /// # Errors
    ///
    /// When the manifest cannot be read or a value is not allowed.
    pub fn resolve(settings: &RewardSettings) -> anyhow::Result<Option<Self>> {
        let (manifest, folder) = match settings {
            RewardSettings::Off => return Ok(None),
            RewardSettings::Manifest(manifest) | RewardSettings::Auto(manifest) => (manifest.as_ref().clone(), None),
            RewardSettings::Path(path) => {
                let (file, folder) = manifest_file(path);
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("cannot read the reward model's manifest {}", file.display()))?;
                (Manifest::from_toml(&text).with_context(|| file.display().to_string())?, Some(folder))
            }
        };
        let models = models(&manifest, folder.as_deref())?;
        let adapters = adapters(&manifest, folder.as_deref())?;
        let vectors = vectors(&manifest, folder.as_deref())?;
        Ok(Some(Self { model: RewardModel::new(manifest)?, models, adapters, vectors, folder }))
    }

    /// What takes the place of [`Self::resolve`]'s where the settings leave the choice: the reward model that comes with the program for
    /// `base`, if there is one.
    ///
    /// # Errors
    ///
    /// When its files cannot be put into `home`.
    pub fn shipped(base: &BaseModel, home: &Path) -> anyhow::Result<Option<Self>> {
        for shipped in shipped::ALL {
            let manifest = shipped.manifest()?;
            if manifest.base.as_ref().is_some_and(|trained_on| base.check_trained_on(trained_on).is_ok()) {
                let folder = shipped.unpack(home).with_context(|| format!("cannot write into {}", home.display()))?;
                let model = RewardModel::new(manifest)?;
                let (models, adapters, vectors) = (Vec::new(), Vec::new(), Vec::new());
                return Ok(Some(Self { model, models, adapters, vectors, folder: Some(folder) }));
            }
        }
        tracing::info!("no built-in reward model was trained on this base model; using the prompted one");
        Ok(None)
    }

    /// The model, to be shared, with the chats of those that it brings.
    pub fn into_model(self, chats: Vec<Option<Chat>>) -> Arc<RewardModel> {
        Arc::new(self.model.with_chats(chats))
    }
}

/// The manifest that a path names, and the folder that its own paths start from.
fn manifest_file(path: &Path) -> (PathBuf, PathBuf) {
    if path.is_dir() {
        (path.join(MANIFEST), path.to_owned())
    } else {
        (path.to_owned(), path.parent().unwrap_or(Path::new("")).to_owned())
    }
}

/// Where the language models are that a reward model brings: its sources, relative to the manifest's folder, or, of a checkpoint, that
/// folder itself.
fn models(manifest: &Manifest, folder: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let own = manifest.kind.own_models(manifest).into_iter();
    own.map(|own| match (own, folder) {
        (OwnModel::Source(source), folder) => located(&source, folder),
        (OwnModel::Folder, Some(folder)) => text(folder),
        (OwnModel::Folder, None) => {
            anyhow::bail!("reward.source is missing: a reward model of kind `{}` has weights", manifest.kind.name())
        }
    })
    .collect()
}

/// A source of the manifest, from the manifest's folder on where it is a path.
fn located(source: &str, folder: Option<&Path>) -> anyhow::Result<String> {
    match (source.parse()?, folder) {
        (Source::Path(path), Some(folder)) => text(&inside(source, &path, folder)?),
        _ => Ok(source.to_owned()),
    }
}

/// A path of the manifest within its folder.
fn inside(given: &str, path: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    ensure!(
        inside,
        "a source is `{given}`; a path in a reward model's folder is relative to it and does not leave it: no `..`, no `/` at its start"
    );
    Ok(folder.join(path))
}

/// The folders of the adapters that guides name.
fn adapters(manifest: &Manifest, folder: Option<&Path>) -> anyhow::Result<Vec<LocatedAdapter>> {
    let TrainedParts::Adapters(adapters) = manifest.kind.trained_parts(manifest) else { return Ok(Vec::new()) };
    let located =
        |adapter: GuideAdapter| Ok(LocatedAdapter { of: adapter.of, folder: beside(&adapter.folder, folder)? });
    adapters.into_iter().map(located).collect()
}

/// The files of the control vectors.
fn vectors(manifest: &Manifest, folder: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let TrainedParts::Vectors(files) = manifest.kind.trained_parts(manifest) else { return Ok(Vec::new()) };
    files.iter().map(|file| beside(file, folder)).collect()
}

/// A path of a manifest: within its folder, where it has one.
fn beside(given: &str, folder: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = Path::new(given);
    folder.map_or_else(|| Ok(path.to_owned()), |folder| inside(given, path, folder))
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).context("the reward model's path is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMENSIONS: &str = "dimensions = [{ name = \"humor\", principle = \"humor\" }]\n";

    /// A folder with a manifest of this kind.
    fn folder(keys: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MANIFEST), format!("{keys}\n{DIMENSIONS}")).unwrap();
        folder
    }

    fn resolve(path: &Path) -> anyhow::Result<Option<RewardSource>> {
        RewardSource::resolve(&RewardSettings::Path(path.to_owned()))
    }

    #[test]
    fn a_folder_and_its_manifest_are_the_same() {
        let folder = folder("kind = \"prompted\"");
        for path in [folder.path().to_owned(), folder.path().join(MANIFEST)] {
            let source = resolve(&path).unwrap().unwrap();
            assert_eq!(source.model.dimensions()[0].name, "humor");
            assert!(source.models.is_empty());
        }
        assert!(RewardSource::resolve(&RewardSettings::Off).unwrap().is_none());
    }

    #[test]
    fn a_checkpoints_weights_are_in_its_folder_unless_it_says_where() {
        let path = |folder: &tempfile::TempDir, rest: &str| [folder.path().join(rest).to_str().unwrap().to_owned()];
        let here = folder("kind = \"checkpoint\"");
        let models = resolve(here.path()).unwrap().unwrap().models;
        assert_eq!(models, [here.path().to_str().unwrap()]);
        let beside = folder("kind = \"checkpoint\"\nsource = \"merged\"");
        assert_eq!(resolve(beside.path()).unwrap().unwrap().models, path(&beside, "merged"));
        for leaving in ["../merged", "merged/../../x", "/merged", ".."] {
            let message = format!(
                "{:#}",
                resolve(folder(&format!("kind = \"checkpoint\"\nsource = \"{leaving}\"")).path()).unwrap_err()
            );
            assert!(message.contains(leaving) && message.contains("does not leave it"), "{message}");
        }
        let far = folder("kind = \"checkpoint\"\nsource = \"hf:owner/name\"");
        assert_eq!(resolve(far.path()).unwrap().unwrap().models, ["hf:owner/name"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        let missing = format!("{:#}", resolve(Path::new("no/such")).unwrap_err());
        assert!(missing.contains("no/such"), "{missing}");
        let broken = folder("kind = \"prompted\"\nbetta = 1");
        let message = format!("{:#}", resolve(broken.path()).unwrap_err());
        assert!(message.contains("persrm.toml") && message.contains("betta"), "{message}");
        let manifest = Manifest::from_toml(&format!("kind = \"checkpoint\"\n{DIMENSIONS}")).unwrap();
        let table = RewardSettings::Manifest(Box::new(manifest));
        let message = RewardSource::resolve(&table).unwrap_err().to_string();
        assert!(message.contains("reward.source is missing"), "{message}");
    }

    #[test]
    fn the_weights_of_guides_are_in_its_folder() {
        let guided = tempfile::tempdir().unwrap();
        let manifest = |guide: &str| {
            let text = format!("kind = \"contrast\"\ndimensions = [{{ name = \"a\", guide = {guide} }}]\n");
            std::fs::write(guided.path().join(MANIFEST), text).unwrap();
        };
        manifest("{ model = \"poet\", adapter = \"anna\" }");
        let source = resolve(guided.path()).unwrap().unwrap();
        assert_eq!(source.models, [guided.path().join("poet").to_str().unwrap()]);
        assert_eq!(source.adapters, [LocatedAdapter { of: Some(0), folder: guided.path().join("anna") }]);
        for guide in ["{ model = \"../poet\" }", "{ adapter = \"/anna\" }"] {
            manifest(guide);
            let message = format!("{:#}", resolve(guided.path()).unwrap_err());
            assert!(message.contains("does not leave it"), "{message}");
        }
    }
}
