//! The reward model of the settings: its manifest, and the weights of a checkpoint.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use pad_engine::AdapterId;
use pad_hub::{Hub, ModelFiles, Source};
use pad_model::{Adapter, Model, ModelOptions, ValueHead};
use pad_reward::{Manifest, OwnModel, RewardModel, TrainedParts};
use pad_text::Tokenizer;

use crate::loading::{self, BaseModel};
use crate::settings::RewardSettings;
use crate::shipped;

/// The manifest's name in a reward model's folder.
const MANIFEST: &str = "persrm.toml";

/// A reward model, and where its own weights are.
#[derive(Debug)]
pub struct RewardSource {
    /// Dimensions, principles and prompts.
    pub model: RewardModel,
    /// The folder or source of weights of its own: a checkpoint's, or a backbone's that is not the base model.
    weights: Option<String>,
    /// The folder of the manifest, where adapter and heads are.
    folder: Option<PathBuf>,
}

/// What a reward model brings beside the base model's weights.
#[derive(Debug, Default)]
pub struct RewardWeights {
    /// A separate language model.
    pub model: Option<Model>,
    /// An adapter, already taken in by that model, or by the base model.
    pub adapter: Option<AdapterId>,
    /// Value heads of that model, or of the base model.
    pub heads: Vec<ValueHead>,
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
        let weights = weights(&manifest, folder.as_deref())?;
        Ok(Some(Self { model: RewardModel::new(manifest)?, weights, folder }))
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
                return Ok(Some(Self { model: RewardModel::new(manifest)?, weights: None, folder: Some(folder) }));
            }
        }
        tracing::info!("no built-in reward model was trained on this base model; using the prompted one");
        Ok(None)
    }

    /// Loads what the reward model brings beside the base model's weights; nothing for a prompted model. An adapter of the base
    /// model is taken in by it.
    ///
    /// # Errors
    ///
    /// When weights, adapter or heads are not there, or do not fit the base model.
    pub fn load(&self, hub: &Hub, base: &mut BaseModel, options: &ModelOptions) -> anyhow::Result<RewardWeights> {
        let started = Instant::now();
        let manifest = self.model.manifest();
        if let Some(trained_on) = &manifest.base {
            base.check_trained_on(trained_on)?;
        }
        let mut own = match &self.weights {
            None => None,
            Some(source) => Some(own_model(source, hub, base, options)?),
        };
        let mut loaded = RewardWeights::default();
        match manifest.kind.trained_parts() {
            TrainedParts::None => {}
            TrainedParts::ValueHead => {
                let (model, folder) =
                    own.as_ref().context("a reward model with a value head needs the weights of a language model")?;
                loaded.heads = vec![ValueHead::open(folder, model.config().hidden, &options.device, &options.pool)?];
            }
            TrainedParts::HeadsAndAdapter => {
                let folder = self.folder.as_deref().context(
                    "a reward model of kind `heads` is a folder: give its path, as --reward FOLDER or reward = \"FOLDER\"",
                )?;
                let model = own.as_mut().map_or(&mut base.model, |(model, _)| model);
                if Adapter::is_in(folder) {
                    let adapter = Adapter::open(folder, model.config())?;
                    let (first_layer, layers) = (adapter.first_layer(), model.config().layers);
                    tracing::info!(first_layer, layers, kib = adapter.bytes() >> 10, "adapter loaded");
                    loaded.adapter = Some(AdapterId(model.add_adapter(adapter)));
                }
                let names: Vec<&str> = self.model.headed_dimensions().map(|d| d.name.as_str()).collect();
                let hidden = model.config().hidden;
                loaded.heads = ValueHead::open_each(folder, &names, hidden, &options.device, &options.pool)?;
            }
        }
        if let Some((model, folder)) = own {
            loading::report("reward model", &folder, &model, started);
            loaded.model = Some(model);
        }
        Ok(loaded)
    }

    /// The model, to be shared.
    pub fn into_model(self) -> Arc<RewardModel> {
        Arc::new(self.model)
    }
}

/// A reward model's own language model, and its folder.
fn own_model(source: &str, hub: &Hub, base: &BaseModel, options: &ModelOptions) -> anyhow::Result<(Model, PathBuf)> {
    let files = hub.pull(&source.parse::<Source>()?, None)?;
    let folder = match &files {
        ModelFiles::Directory(path) => path.as_path(),
        ModelFiles::Gguf(path) => path.parent().unwrap_or(Path::new(".")),
    };
    let tokenizer = folder.join("tokenizer.json");
    if tokenizer.exists() {
        loading::same_tokens(base.chat.tokenizer(), &Tokenizer::from_file(&tokenizer)?)?;
    }
    let mut weights = pad_model::open(loading::path(&files))?;
    let model = loading::load("reward model", weights.as_mut(), options, Instant::now())?;
    Ok((model, folder.to_owned()))
}

/// The manifest that a path names, and the folder that its own paths start from.
fn manifest_file(path: &Path) -> (PathBuf, PathBuf) {
    if path.is_dir() {
        (path.join(MANIFEST), path.to_owned())
    } else {
        (path.to_owned(), path.parent().unwrap_or(Path::new("")).to_owned())
    }
}

/// Where the reward model's own weights are: its source, relative to the manifest's folder, or, of a checkpoint, that folder itself.
fn weights(manifest: &Manifest, folder: Option<&Path>) -> anyhow::Result<Option<String>> {
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the reward model's path is not UTF-8");
    match (manifest.kind.own_model(manifest), folder) {
        (OwnModel::None, _) => Ok(None),
        (OwnModel::Source(source), Some(folder)) => match source.parse()? {
            Source::Path(path) => {
                let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
                ensure!(
                    inside,
                    "source is `{source}`; a path in a reward model's folder is relative to it and does not leave it: no `..`, no `/` \
                     at its start"
                );
                text(&folder.join(path)).map(Some)
            }
            _ => Ok(Some(source)),
        },
        (OwnModel::Source(source), None) => Ok(Some(source)),
        (OwnModel::Folder, Some(folder)) => text(folder).map(Some),
        (OwnModel::Folder, None) => {
            anyhow::bail!("reward.source is missing: a reward model of kind `{}` has weights", manifest.kind.name())
        }
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
        for leaving in ["../merged", "merged/../../x", "/merged", ".."] {
            let message = format!(
                "{:#}",
                resolve(folder(&format!("kind = \"checkpoint\"\nsource = \"{leaving}\"")).path()).unwrap_err()
            );
            assert!(message.contains(leaving) && message.contains("does not leave it"), "{message}");
        }
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
