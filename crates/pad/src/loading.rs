//! From files to a model in memory.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, ensure};
use pad_hub::ModelFiles;
use pad_model::{GgufWeights, ModelConfig, Weights};
use pad_reward::TrainedOn;
use pad_text::Chat;

use crate::loading_bar::LoadingBar;
use crate::placement::{PlacedModel, Placement};
use crate::settings::Quantise;

/// A base model: what computes and what talks.
#[derive(Debug)]
pub struct BaseModel {
    /// The transformer.
    pub model: PlacedModel,
    /// Its tokenizer and chat template.
    pub chat: Chat,
    /// Its family, as its files name it.
    pub family: String,
    /// The number format of most of its weights.
    pub format: String,
    /// The file or folder that it was read from.
    path: PathBuf,
    /// The checksum of its weights, once somebody asked for it.
    sha256: OnceLock<String>,
}

impl BaseModel {
    /// Loads weights, tokenizer and template.
    ///
    /// # Errors
    ///
    /// What the files lack, or what in them is not supported; and if there is nothing that `quantise` asks to quantise.
    pub fn load(files: &ModelFiles, placement: &Placement, quantise: Quantise) -> anyhow::Result<Self> {
        let started = Instant::now();
        let (mut weights, chat): (Box<dyn Weights>, Chat) = match files {
            ModelFiles::Gguf(path) => {
                let weights = GgufWeights::open(path)?;
                let chat = Chat::from_gguf(weights.content()).with_context(|| path.display().to_string())?;
                (Box::new(weights), chat)
            }
            ModelFiles::Directory(path) => {
                let chat = Chat::from_dir(path).with_context(|| path.display().to_string())?;
                (pad_model::open(path)?, chat)
            }
        };
        let path = path(files).to_owned();
        check_embeddings(chat.tokenizer(), weights.config(), &path)?;
        let (family, format) = (weights.family().to_owned(), weights.format());
        check_quantise(quantise, &format, &path)?;
        let model = load("base model", weights.as_mut(), placement, started)?;
        let loaded = Self { model, chat, family, format, path, sha256: OnceLock::new() };
        report("base model", &loaded.path, &loaded.model, started);
        Ok(loaded)
    }

    /// Refuses a reward model that was trained on other weights: its adapter and heads would mean nothing here.
    ///
    /// # Errors
    ///
    /// Both checksums, or why there is none.
    pub fn check_trained_on(&self, trained_on: &TrainedOn) -> anyhow::Result<()> {
        // Read once, whoever asks: a hundred megabytes take a tenth of a second of the start.
        let sha256 = if let Some(known) = self.sha256.get() {
            known
        } else {
            let found = weights_checksum(&self.path)?;
            self.sha256.get_or_init(|| found)
        };
        ensure!(
            sha256.eq_ignore_ascii_case(&trained_on.sha256),
            "the reward model was trained on `{}` (SHA-256 {}), but the base model {} is another one (SHA-256 {sha256}): \
             serve the model it was trained on, or choose another --reward",
            trained_on.name,
            trained_on.sha256,
            self.path.display(),
        );
        Ok(())
    }
}

/// Refuses to quantise what is quantised already.
///
/// # Errors
///
/// What was asked for, and what the file has.
fn check_quantise(quantise: Quantise, format: &str, path: &Path) -> anyhow::Result<()> {
    ensure!(
        quantise == Quantise::Auto || ["F32", "F16", "BF16"].contains(&format),
        "model.quantise is `{}`, which quantises weights of 16 or 32 bits, but most of those in {} are {format} already: leave it out, \
         or give a file in F16, BF16 or F32",
        quantise.name(),
        path.display()
    );
    Ok(())
}

/// The checksum by which reward models know a base model: of its file or, of a folder, of `model.safetensors`, else of the first shard
/// by name.
///
/// # Errors
///
/// When the file is not there or cannot be read.
pub fn weights_checksum(path: &Path) -> anyhow::Result<String> {
    if !path.is_dir() {
        return Ok(pad_hub::sha256_of_file(path)?);
    }
    let single = path.join("model.safetensors");
    if single.exists() {
        return Ok(pad_hub::sha256_of_file(&single)?);
    }
    let entries = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let files: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    let first = files.iter().filter(|file| file.extension().is_some_and(|end| end == "safetensors")).min();
    let first = first.with_context(|| format!("{} has no .safetensors file", path.display()))?;
    Ok(pad_hub::sha256_of_file(first)?)
}

/// The file or folder of a model.
pub fn path(files: &ModelFiles) -> &Path {
    let (ModelFiles::Gguf(path) | ModelFiles::Directory(path)) = files;
    path
}

/// Refuses a model without an embedding for every token that a text may give. Special tokens of other uses may lie behind them, as
/// Gemma's for images do: text never gives those.
///
/// # Errors
///
/// The first token without an embedding.
pub fn check_embeddings(tokenizer: &pad_text::Tokenizer, config: &ModelConfig, path: &Path) -> anyhow::Result<()> {
    let (rows, tokens) = (config.vocabulary, tokenizer.vocab_size());
    let lacks = (rows..tokens).find(|id| {
        let id = *id as u32;
        !tokenizer.token_bytes(id).is_empty() && !tokenizer.is_special(id)
    });
    ensure!(
        lacks.is_none(),
        "{}: the tokenizer has {tokens} tokens, but the model has embeddings for {rows}: token {} has none",
        path.display(),
        lacks.unwrap_or_default()
    );
    Ok(())
}

/// Loads a model, with a bar on the terminal where that takes a while.
///
/// # Errors
///
/// If a tensor is missing or not as the configuration says.
pub fn load(
    what: &str,
    weights: &mut dyn Weights,
    placement: &Placement,
    started: Instant,
) -> anyhow::Result<PlacedModel> {
    let mut bar = LoadingBar::new(what, weights.config().layers, started);
    placement.load(weights, |loaded| bar.at(loaded))
}

/// Says what was loaded.
pub fn report(what: &str, path: &Path, model: &PlacedModel, started: Instant) {
    tracing::info!(
        path = %path.display(),
        layers = model.config().layers,
        weights_mib = model.bytes() >> 20,
        threads = model.on_cpu().ok().map(|model| model.pool().threads()),
        seconds = started.elapsed().as_secs_f32(),
        "{what} loaded"
    );
    let PlacedModel::Cpu(model) = model else { return };
    let rounding = model.rounding();
    if rounding.weights > 0 {
        tracing::info!(
            weights = rounding.weights,
            relative_rms_error = (rounding.relative() * 1e5).round() / 1e5,
            "weights of the {what} were rounded when they were loaded (model.quantise)"
        );
    }
}

/// Whether a reward model's token ids mean what the base model's do: lanes then share every chosen token.
///
/// # Errors
///
/// The first id that differs.
pub fn same_tokens(base: &pad_text::Tokenizer, reward: &pad_text::Tokenizer) -> anyhow::Result<()> {
    let (ours, theirs) = (base.vocab_size(), reward.vocab_size());
    let differs = (0..ours.min(theirs) as u32).find(|id| base.token_bytes(*id) != reward.token_bytes(*id));
    ensure!(
        differs.is_none(),
        "base and reward model must share a tokenizer, but token {} is another one",
        differs.unwrap_or_default()
    );
    Ok(())
}
