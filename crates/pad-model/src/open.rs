//! Opening a checkpoint of either format.

use std::path::Path;

use crate::{GgufWeights, ModelError, SafetensorsWeights, Weights};

/// Open a `.gguf` file or a directory in Hugging Face layout.
///
/// # Errors
/// If it cannot be read, or its architecture is not supported.
pub fn open(path: &Path) -> Result<Box<dyn Weights>, ModelError> {
    if path.is_dir() { Ok(Box::new(SafetensorsWeights::open(path)?)) } else { Ok(Box::new(GgufWeights::open(path)?)) }
}
