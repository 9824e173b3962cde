//! `system_fingerprint`: changes whenever something changes that affects the generated text.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::settings::Settings;

/// The version, and a digest of the model's and the reward model's settings.
pub fn fingerprint(settings: &Settings) -> String {
    let mut hasher = DefaultHasher::new();
    let model = &settings.model;
    let arithmetic = (model.dtype.name(), model.quantise.name(), settings.engine.kv_dtype.name(), &model.device);
    (&model.source, &model.sha256, arithmetic).hash(&mut hasher);
    format!("{:?}", settings.reward).hash(&mut hasher);
    format!("pad-{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish())
}

/// Files up to this size are distinguished by their contents, larger ones by their length.
const READ: u64 = 64 << 20;

/// A digest of a file, or of the files in a folder and in the folders within.
pub fn of_files(path: &Path) -> String {
    let mut files = files(path);
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let length = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        let bytes = if length <= READ { fs::read(&file).unwrap_or_default() } else { Vec::new() };
        (file.file_name(), length, bytes).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return vec![path.to_owned()] };
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(found) if found.is_dir() => files(&entry.path()),
        _ => Vec::from_iter(Some(entry.path()).filter(|path| path.is_file())),
    };
    entries.flatten().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Layer};

    fn of(variable: &str, value: &str) -> String {
        let environment = Environment::new([(variable.to_owned(), value.to_owned())]);
        fingerprint(&Settings::load(None, &environment, Layer::default()).unwrap())
    }

    #[test]
    fn it_follows_what_decides_the_tokens_and_nothing_else() {
        let plain = of("PAD_PORT", "1");
        assert_eq!(plain, of("PAD_LOG", "debug"));
        for (variable, value) in [
            ("PAD_MODEL", "./m.gguf"),
            ("PAD_MODEL__DTYPE", "f32"),
            ("PAD_MODEL__QUANTISE", "q4"),
            ("PAD_ENGINE__KV_DTYPE", "q8"),
            ("PAD_REWARD__BETA", "2"),
        ] {
            assert_ne!(plain, of(variable, value), "{variable}");
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("persrm.toml");
        fs::write(&file, "kind = 1").unwrap();
        let (one, alone) = (of_files(folder.path()), of_files(&file));
        assert_eq!((&one, &alone), (&of_files(folder.path()), &one), "the folder holds this file only");
        fs::write(&file, "kind = 2").unwrap();
        let two = of_files(folder.path());
        assert_ne!(one, two);
        fs::create_dir(folder.path().join("guide")).unwrap();
        fs::write(folder.path().join("guide/config.json"), "{}").unwrap();
        assert_ne!(two, of_files(folder.path()), "weights of a guide lie in a folder within");
    }
}
