//! The reward model of the settings: its manifest, and the weights of a checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use pad_hub::{Hub, ModelFiles, Source};
use pad_model::{Model, ModelOptions, ValueHead};
use pad_reward::{Kind, Manifest, RewardModel};
use pad_text::Tokenizer;

use crate::loading::{self, BaseModel};
use crate::settings::RewardSettings;

/// The manifest's name in a reward model's folder.
const MANIFEST: &str = "persrm.toml";

/// A reward model, and where its own weights are.
#[derive(Debug)]
pub struct RewardSource {
    /// Dimensions, principles and prompts.
    pub model: RewardModel,
    /// The folder or source of a checkpoint's weights; none for a prompted model.
    pub weights: Option<String>,
}

/// The weights of a checkpoint with their value head.
#[derive(Debug)]
pub struct Checkpoint {
    /// The language model.
    pub model: Model,
    /// What stands before its unembedding.
    pub head: ValueHead,
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
            RewardSettings::Manifest(manifest) => (manifest.as_ref().clone(), None),
            RewardSettings::Path(path) => {
                let (file, folder) = manifest_file(path);
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("cannot read the reward model's manifest {}", file.display()))?;
                (Manifest::from_toml(&text).with_context(|| file.display().to_string())?, Some(folder))
            }
        };
        let weights = weights(&manifest, folder.as_deref())?;
        Ok(Some(Self { model: RewardModel::new(manifest)?, weights }))
    }

    /// Loads the weights of a checkpoint; `None` for a prompted model, which runs through the base model's.
    ///
    /// # Errors
    ///
    /// When the weights or the value head are not there, or do not fit the base model.
    pub fn load(&self, hub: &Hub, base: &BaseModel, options: &ModelOptions) -> anyhow::Result<Option<Checkpoint>> {
        let Some(source) = &self.weights else { return Ok(None) };
        let started = Instant::now();
        let files = hub.pull(&source.parse::<Source>()?, None)?;
        let folder = match &files {
            ModelFiles::Directory(path) => path.as_path(),
            ModelFiles::Gguf(path) => path.parent().unwrap_or(Path::new(".")),
        };
        let tokenizer = folder.join("tokenizer.json");
        if tokenizer.exists() {
            loading::same_tokens(base.chat.tokenizer(), &Tokenizer::from_file(&tokenizer)?)?;
        }
        let model = Model::open(loading::path(&files), options)?;
        let head = ValueHead::open(folder, model.config().hidden, &options.device, &options.pool)?;
        loading::report("reward model", loading::path(&files), &model, started);
        Ok(Some(Checkpoint { model, head }))
    }

    /// The model, to be shared.
    pub fn into_model(self) -> Arc<RewardModel> {
        Arc::new(self.model)
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

/// Where a checkpoint's weights are: its source, relative to the manifest's folder, or that folder itself.
fn weights(manifest: &Manifest, folder: Option<&Path>) -> anyhow::Result<Option<String>> {
    if manifest.kind == Kind::Prompted {
        return Ok(None);
    }
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the reward model's path is not UTF-8");
    match (&manifest.source, folder) {
        (Some(source), Some(folder)) => match source.parse()? {
            Source::Path(path) => text(&folder.join(path)).map(Some),
            _ => Ok(Some(source.clone())),
        },
        (Some(source), None) => Ok(Some(source.clone())),
        (None, Some(folder)) => text(folder).map(Some),
        (None, None) => anyhow::bail!("reward.source is missing: a reward model of kind `checkpoint` has weights"),
    }
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
            assert_eq!(source.weights, None);
        }
        assert!(RewardSource::resolve(&RewardSettings::Off).unwrap().is_none());
    }

    #[test]
    fn a_checkpoints_weights_are_in_its_folder_unless_it_says_where() {
        let path = |folder: &tempfile::TempDir, rest: &str| folder.path().join(rest).to_str().map(str::to_owned);
        let here = folder("kind = \"checkpoint\"");
        let weights = resolve(here.path()).unwrap().unwrap().weights;
        assert_eq!(weights.as_deref(), here.path().to_str());
        let beside = folder("kind = \"checkpoint\"\nsource = \"merged\"");
        assert_eq!(resolve(beside.path()).unwrap().unwrap().weights, path(&beside, "merged"));
        let far = folder("kind = \"checkpoint\"\nsource = \"hf:owner/name\"");
        assert_eq!(resolve(far.path()).unwrap().unwrap().weights.as_deref(), Some("hf:owner/name"));
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
}
