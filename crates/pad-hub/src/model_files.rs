//! A model on this machine.

use std::path::PathBuf;

/// The files of a model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFiles {
    /// One GGUF file.
    Gguf(PathBuf),
    /// A folder in Hugging Face layout: `config.json`, `tokenizer.json`, `*.safetensors`, ...
    Directory(PathBuf),
}
