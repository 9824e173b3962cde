//! `persrm.toml` and the model card: what every trained folder of heads has, around its own dimensions and record.

use std::path::Path;

use serde::Serialize;

use crate::TrainError;

/// The base model that it belongs to.
#[derive(Clone, Debug, Serialize)]
pub struct Base {
    /// Its name.
    pub name: String,
    /// Checksum of its weights' file.
    pub sha256: String,
}

/// The manifest; `D` is what it says of a dimension, `T` of the training.
#[derive(Serialize)]
pub struct Manifest<'a, D, T> {
    kind: &'static str,
    reference: &'static str,
    beta: f64,
    top_k: usize,
    weight_range: [f64; 2],
    /// The base model that the heads belong to.
    pub base: &'a Base,
    /// In the order of the heads.
    pub dimensions: Vec<D>,
    /// How they were made.
    pub training: T,
}

impl<'a, D: Serialize, T: Serialize> Manifest<'a, D, T> {
    /// The manifest of heads on this base model.
    pub fn new(base: &'a Base, top_k: usize, dimensions: Vec<D>, training: T) -> Self {
        let (kind, reference, beta, weight_range) = ("heads", "base", 1.0, [-2.0, 2.0]);
        Self { kind, reference, beta, top_k, weight_range, base, dimensions, training }
    }

    /// Write it and its card into the folder, made if need be.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, card: &str) -> Result<(), TrainError> {
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        write_text(folder, "README.md", card)?;
        let toml = toml::to_string(self).map_err(|error| TrainError::setting("persrm.toml", error.to_string()))?;
        write_text(folder, "persrm.toml", &toml)
    }
}

/// Settings as a table of the manifest.
pub fn settings_table(settings: &impl Serialize) -> toml::Value {
    toml::Value::try_from(settings).unwrap_or_else(|_| toml::Value::Table(toml::Table::new()))
}

/// Write one file of the folder.
///
/// # Errors
/// If it cannot be written.
pub fn write_text(folder: &Path, name: &str, text: &str) -> Result<(), TrainError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(TrainError::io(&path))
}
