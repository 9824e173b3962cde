//! Any text as the description of a reward model or of a tokenizer is one, or an error.

use std::fs;

use pad_reward::{Manifest, RewardModel};
use pad_text::Tokenizer;

/// The first byte chooses between `persrm.toml` and `tokenizer.json`, the others are the text.
///
/// # Panics
/// Where reading panics.
pub fn check(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    if kind % 2 == 0 {
        let Ok(text) = std::str::from_utf8(text) else { return };
        let _ = Manifest::from_toml(text).map(RewardModel::new);
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, text).expect("a file");
    if let Ok(tokenizer) = Tokenizer::from_file(&path) {
        let _ = tokenizer.encode("a text, 12 and 😀");
    }
}
