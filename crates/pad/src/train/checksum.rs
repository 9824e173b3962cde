//! The checksum of a base model, by which a reward model knows it.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pad_hub::ModelFiles;
use sha2::{Digest, Sha256};

/// SHA-256 of the model's weights: of the GGUF file, of `model.safetensors`, or of the first shard.
///
/// # Errors
///
/// When the file cannot be read.
pub fn sha256(files: &ModelFiles) -> anyhow::Result<String> {
    let path = match files {
        ModelFiles::Gguf(path) => path.clone(),
        ModelFiles::Directory(folder) => first_weights(folder)?,
    };
    let mut file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(|| path.display().to_string())? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

fn first_weights(folder: &Path) -> anyhow::Result<PathBuf> {
    let single = folder.join("model.safetensors");
    if single.exists() {
        return Ok(single);
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let shards = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    shards.min().with_context(|| format!("{} has no .safetensors file", folder.display()))
}
