//! What a reward model brings beside the base model's weights: language models, adapters, heads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use pad_engine::AdapterId;
use pad_hub::{Hub, ModelFiles, Source};
use pad_model::{Adapter, GgufWeights, ValueHead};
use pad_reward::{Kind, ReferencePolicy, TokenBridge, TrainedParts};
use pad_text::{Chat, TextError, Tokenizer};

use crate::loading::{self, BaseModel};
use crate::placement::{PlacedModel, Placement};
use crate::reward::{LocatedAdapter, RewardSource};

/// What a reward model brings.
#[derive(Debug, Default)]
pub struct RewardWeights {
    /// Language models, in the reward model's order.
    pub models: Vec<PlacedModel>,
    /// Adapters and control vectors in the reward model's order, already taken in by the model that each of them changes.
    pub adapters: Vec<AdapterId>,
    /// Value heads of the first of the models, or of the base model where there is none.
    pub heads: Vec<ValueHead>,
    /// By models: what talks to one with another tokenizer than the base model's, and the bridge to it.
    pub across: Vec<Option<Across>>,
}

/// A model with another tokenizer than the base model's.
#[derive(Clone, Debug)]
pub struct Across {
    /// Its tokenizer and chat template.
    pub chat: Chat,
    /// From the base model's tokens to its own.
    pub bridge: Arc<TokenBridge>,
}

/// A language model of the reward model, and its folder.
struct OwnModel {
    model: PlacedModel,
    folder: PathBuf,
    across: Option<Across>,
}

impl RewardWeights {
    /// Loads them; nothing for a prompted model. Adapters of the base model are taken in by it.
    ///
    /// # Errors
    ///
    /// When a model, an adapter or heads are not there, or do not fit the base model.
    pub fn load(source: &RewardSource, hub: &Hub, base: &mut BaseModel, placement: &Placement) -> anyhow::Result<Self> {
        let options = &placement.options;
        let manifest = source.model.manifest();
        if let Some(trained_on) = &manifest.base {
            base.check_trained_on(trained_on)?;
        }
        let load = |source: &String| own_model(source, hub, base, placement);
        let mut own = source.models.iter().map(load).collect::<anyhow::Result<Vec<_>>>()?;
        let mut loaded = Self::default();
        match manifest.kind.trained_parts(manifest) {
            TrainedParts::None => {}
            TrainedParts::ValueHead => {
                let OwnModel { model, folder, .. } =
                    own.first().context("a reward model with a value head needs the weights of a language model")?;
                loaded.heads = vec![ValueHead::open(folder, model.config().hidden, &options.device, &options.pool)?];
            }
            TrainedParts::HeadsAndAdapter => {
                let folder = its_folder(source)?;
                let model = own.first_mut().map_or(&mut base.model, |own| &mut own.model);
                if Adapter::is_in(folder) {
                    let adapter = Adapter::open(folder, model.config())?;
                    loaded.adapters.push(take_in(folder, adapter, model)?);
                }
                let heads: Vec<(&str, f32)> =
                    manifest.headed().iter().map(|dimension| (dimension.name.as_str(), dimension.scale())).collect();
                let hidden = model.config().hidden;
                loaded.heads = ValueHead::open_each(folder, &heads, hidden, &options.device, &options.pool)?;
            }
            TrainedParts::Adapters(_) => {
                for LocatedAdapter { of, folder } in &source.adapters {
                    let own = of.and_then(|index| own.get_mut(index)).map(|own| &mut own.model);
                    let model = own.unwrap_or(&mut base.model);
                    let adapter = Adapter::open(folder, model.config())?;
                    loaded.adapters.push(take_in(folder, adapter, model)?);
                }
            }
            TrainedParts::Vectors(_) => {
                for file in &source.vectors {
                    let vector = Adapter::control_vector(file, base.model.config(), &options.device)?;
                    tracing::info!(path = %file.display(), first_layer = vector.first_layer(), "control vector loaded");
                    loaded.adapters.push(AdapterId(base.model.add_adapter(vector)?));
                }
            }
            TrainedParts::BilinearAdapter => {
                let folder = its_folder(source)?;
                let model = own.first_mut().map_or(&mut base.model, |own| &mut own.model);
                let adapter = Adapter::bilinear(folder, manifest.dimensions.len(), model.config())?;
                loaded.adapters.push(take_in(folder, adapter, model)?);
            }
        }
        let measured_by_base = manifest.kind == Kind::Heads && manifest.reference() == ReferencePolicy::Base;
        ensure!(
            !measured_by_base || own.iter().all(|own| own.across.is_none()),
            "the reward model's source has another tokenizer than the base model, whose log-probabilities are no measure for its heads: \
             set `reference = \"backbone\"` in its manifest"
        );
        (loaded.models, loaded.across) = own.into_iter().map(|own| (own.model, own.across)).unzip();
        Ok(loaded)
    }
}

/// The folder with the trained parts of a reward model.
fn its_folder(source: &RewardSource) -> anyhow::Result<&Path> {
    let kind = source.model.manifest().kind.name();
    source.folder.as_deref().with_context(|| {
        format!("a reward model of kind `{kind}` is a folder: give its path, as --reward FOLDER or reward = \"FOLDER\"")
    })
}

/// Adds the adapter of a folder to the model that it changes.
fn take_in(folder: &Path, adapter: Adapter, model: &mut PlacedModel) -> anyhow::Result<AdapterId> {
    let (first_layer, layers) = (adapter.first_layer(), model.config().layers);
    tracing::info!(path = %folder.display(), first_layer, layers, kib = adapter.bytes() >> 10, "adapter loaded");
    Ok(AdapterId(model.add_adapter(adapter)?))
}

/// A reward model's own language model.
///
/// # Errors
///
/// When it is not there, or its tokens are not the base model's and there is no bridge to them.
fn own_model(source: &str, hub: &Hub, base: &BaseModel, placement: &Placement) -> anyhow::Result<OwnModel> {
    let started = Instant::now();
    let files = hub.pull(&source.parse::<Source>()?, None)?;
    let unfit = || format!("the reward model's {source} does not fit the base model");
    let same = |tokenizer: &Tokenizer| loading::same_tokens(base.chat.tokenizer(), tokenizer);
    let (model, folder, across) = match &files {
        ModelFiles::Directory(path) => {
            let tokenizer = path.join("tokenizer.json");
            let other = if tokenizer.exists() { same(&Tokenizer::from_file(&tokenizer)?).err() } else { None };
            let across = other.map(|why| across(base, Chat::from_dir(path), why)).transpose().with_context(unfit)?;
            let mut weights = pad_model::open(path)?;
            (loading::load("reward model", weights.as_mut(), placement, started)?, path.as_path(), across)
        }
        ModelFiles::Gguf(path) => {
            let mut weights = GgufWeights::open(path)?;
            let other =
                same(&Tokenizer::from_gguf(weights.content()).with_context(|| path.display().to_string())?).err();
            let chat = |why| across(base, Chat::from_gguf(weights.content()), why);
            let across = other.map(chat).transpose().with_context(unfit)?;
            let model = loading::load("reward model", &mut weights, placement, started)?;
            (model, path.parent().unwrap_or(Path::new(".")), across)
        }
    };
    let (ours, theirs) = (base.model.config().vocabulary, model.config().vocabulary);
    match &across {
        None => ensure!(
            ours == theirs,
            "the reward model's {source} does not fit the base model: it has embeddings for {theirs} tokens, the base model for {ours}"
        ),
        Some(Across { chat, .. }) => {
            loading::check_embeddings(chat.tokenizer(), model.config(), folder)?;
            tracing::info!(
                source,
                "the reward model has another tokenizer than the base model: it reads the answer's text"
            );
        }
    }
    loading::report("reward model", folder, &model, started);
    Ok(OwnModel { model, folder: folder.to_owned(), across })
}

/// The way to a model whose tokens are not the base model's.
///
/// # Errors
///
/// `why` they are not, if there is none.
fn across(base: &BaseModel, chat: Result<Chat, TextError>, why: anyhow::Error) -> anyhow::Result<Across> {
    let chat = chat.context("it has another tokenizer, and so needs a chat template of its own")?;
    match TokenBridge::new(&base.chat, &chat)? {
        Some(bridge) => Ok(Across { chat, bridge: Arc::new(bridge) }),
        None => Err(why.context("its tokenizer is another one, and none that spells all bytes in GPT-2's alphabet")),
    }
}
