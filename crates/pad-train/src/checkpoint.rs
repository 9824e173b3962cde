//! A checkpoint of a training on disk: the trained parameters, the optimizer's state, and the position.
//!
//! Random numbers need no state of their own: they depend on the seed and the position only.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::adamw::AdamW;
use crate::trainer::Trainer;
use crate::{Settings, TrainError};

/// Where a training is: before step `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// 1 or 2.
    pub stage: usize,
    /// Stage 2: the dimension whose head is being trained.
    pub dimension: usize,
    /// Steps of this stage, or of this dimension, that are done.
    pub step: usize,
}

impl Default for Position {
    fn default() -> Self {
        Self { stage: 1, dimension: 0, step: 0 }
    }
}

/// What must be the same for a training to go on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    position: Position,
    settings: Settings,
    dimensions: Vec<String>,
    pairs: usize,
    rows: usize,
}

/// The optimizer's part of a checkpoint.
#[derive(Debug)]
pub struct Saved {
    tensors: HashMap<String, Tensor>,
    folder: std::path::PathBuf,
}

impl Saved {
    /// The numbers of a tensor, of which there must be `len`.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if it is missing or of another size.
    pub fn find(&self, name: &str, len: usize) -> Result<Vec<f32>, TrainError> {
        let fail = |message| TrainError::checkpoint(&self.folder, message);
        let tensor = self.tensors.get(name).ok_or_else(|| fail(format!("{name} is not in it")))?;
        if tensor.elem_count() != len {
            return Err(fail(format!("{name} has {} numbers, not {len}", tensor.elem_count())));
        }
        Ok(tensor.flatten_all()?.to_vec1()?)
    }
}

const STATE: &str = "state.json";
const TENSORS: &str = "tensors.safetensors";

fn header(trainer: &Trainer, position: Position) -> Header {
    // How often checkpoints are written changes nothing.
    let settings = Settings { checkpoint_steps: 0, ..trainer.settings.clone() };
    let (pairs, rows) = (trainer.corpus.examples.len(), trainer.corpus.rows());
    Header { position, settings, dimensions: trainer.dimensions.clone(), pairs, rows }
}

/// Write a checkpoint of a training in two stages.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    folder: &Path,
    trainer: &Trainer,
    position: Position,
    optimizer: Option<&AdamW>,
) -> Result<(), TrainError> {
    save(folder, &header(trainer, position), &trainer.variables(), optimizer)
}

/// Write a checkpoint: beside the old one, then in its place.
///
/// # Errors
/// If a file cannot be written.
pub fn save(
    folder: &Path,
    header: &impl Serialize,
    variables: &[(String, Var)],
    optimizer: Option<&AdamW>,
) -> Result<(), TrainError> {
    let mut tensors: HashMap<String, Tensor> =
        variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    if let Some(optimizer) = optimizer {
        tensors.extend(optimizer.state()?);
    }
    let fresh = folder.with_extension("new");
    std::fs::create_dir_all(&fresh).map_err(TrainError::io(&fresh))?;
    candle_core::safetensors::save(&tensors, fresh.join(TENSORS))?;
    let text = serde_json::to_string_pretty(header).unwrap_or_default();
    let path = fresh.join(STATE);
    std::fs::write(&path, text).map_err(TrainError::io(&path))?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(TrainError::io(folder))?;
    }
    std::fs::rename(&fresh, folder).map_err(TrainError::io(folder))
}

/// Read a checkpoint into `trainer`'s variables.
///
/// # Errors
/// [`TrainError::Checkpoint`] if it is not of this training, or damaged.
pub fn read(folder: &Path, trainer: &Trainer) -> Result<(Position, Saved), TrainError> {
    let fail = |message: &str| TrainError::checkpoint(folder, message);
    let read: Header = read_header(folder)?;
    let ours = header(trainer, read.position);
    if read.settings != ours.settings {
        return Err(fail("it was made with different settings"));
    }
    if read != ours {
        return Err(fail("it was made from different pairs"));
    }
    Ok((read.position, restore(folder, &trainer.variables())?))
}

/// What a checkpoint says of its training.
///
/// # Errors
/// [`TrainError::Checkpoint`] if it is damaged.
pub fn read_header<H: DeserializeOwned>(folder: &Path) -> Result<H, TrainError> {
    let path = folder.join(STATE);
    let text = std::fs::read_to_string(&path).map_err(TrainError::io(&path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::checkpoint(folder, format!("{STATE}: {error}")))
}

/// Put a checkpoint's parameters into `variables`.
///
/// # Errors
/// [`TrainError::Checkpoint`] if one is missing or of another size.
pub fn restore(folder: &Path, variables: &[(String, Var)]) -> Result<Saved, TrainError> {
    let tensors = candle_core::safetensors::load(folder.join(TENSORS), &Device::Cpu)?;
    let saved = Saved { tensors, folder: folder.to_owned() };
    for (name, var) in variables {
        let values = saved.find(name, var.elem_count())?;
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
    }
    Ok(saved)
}

/// Remove a checkpoint that is not needed any more.
///
/// # Errors
/// If it cannot be removed.
pub fn remove(folder: &Path) -> Result<(), TrainError> {
    if folder.exists() { std::fs::remove_dir_all(folder).map_err(TrainError::io(folder)) } else { Ok(()) }
}
