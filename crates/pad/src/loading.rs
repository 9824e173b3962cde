//! From files to a model in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use candle_core::Device;
use pad_hub::ModelFiles;
use pad_model::{GgufWeights, Model, ModelOptions, Pool};
use pad_text::Chat;

use crate::cores;
use crate::settings::{Dtype, ModelSettings};

/// A base model: what computes and what talks.
#[derive(Debug)]
pub struct BaseModel {
    /// The transformer.
    pub model: Model,
    /// Its tokenizer and chat template.
    pub chat: Chat,
}

/// Where and how models run: the same for base and reward model, which share the threads.
///
/// # Errors
///
/// When the device is not there.
pub fn options(settings: &ModelSettings) -> anyhow::Result<ModelOptions> {
    let device = match settings.cuda() {
        Some(index) => {
            // One engine thread: the device's default stream in place of one per thread.
            Device::new_cuda_with_stream(index)
                .with_context(|| format!("device `{}` cannot be used", settings.device))?
        }
        None => Device::Cpu,
    };
    let dtype = match settings.dtype {
        Dtype::Auto => pad_model::Dtype::Auto,
        Dtype::F32 => pad_model::Dtype::F32,
    };
    let threads = if settings.threads == 0 { cores::physical() } else { settings.threads };
    Ok(ModelOptions { dtype, device, pool: Arc::new(Pool::new(threads)) })
}

impl BaseModel {
    /// Loads weights, tokenizer and template.
    ///
    /// # Errors
    ///
    /// What the files lack, or what in them is not supported.
    pub fn load(files: &ModelFiles, options: &ModelOptions) -> anyhow::Result<Self> {
        let started = Instant::now();
        let loaded = match files {
            ModelFiles::Gguf(path) => {
                let mut weights = GgufWeights::open(path)?;
                let chat = Chat::from_gguf(weights.content()).with_context(|| path.display().to_string())?;
                Self { model: Model::load(&mut weights, options)?, chat }
            }
            ModelFiles::Directory(path) => {
                let chat = Chat::from_dir(path).with_context(|| path.display().to_string())?;
                Self { model: Model::open(path, options)?, chat }
            }
        };
        report("base model", path(files), &loaded.model, started);
        Ok(loaded)
    }
}

/// The file or folder of a model.
pub fn path(files: &ModelFiles) -> &Path {
    let (ModelFiles::Gguf(path) | ModelFiles::Directory(path)) = files;
    path
}

/// Says what was loaded.
pub fn report(what: &str, path: &Path, model: &Model, started: Instant) {
    tracing::info!(
        path = %path.display(),
        layers = model.config().layers,
        weights_mib = model.bytes() >> 20,
        threads = model.pool().threads(),
        seconds = started.elapsed().as_secs_f32(),
        "{what} loaded"
    );
}

/// Refuses a reward model whose token ids mean something else than the base model's: lanes share every chosen token.
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
