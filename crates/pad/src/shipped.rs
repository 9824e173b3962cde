//! The reward model that ships with the program: its files are part of the binary.

use std::io;
use std::path::{Path, PathBuf};

use pad_reward::{Manifest, RewardError};

/// Its manifest.
const MANIFEST: &str = include_str!("../../../models/smollm2-135m-pad/persrm.toml");

/// Its other files by name.
const FILES: [(&str, &[u8]); 2] = [
    ("heads.safetensors", include_bytes!("../../../models/smollm2-135m-pad/heads.safetensors")),
    ("README.md", include_bytes!("../../../models/smollm2-135m-pad/README.md")),
];

/// Reads its manifest.
///
/// # Errors
///
/// Never, unless the program was built with a broken one.
pub fn manifest() -> Result<Manifest, RewardError> {
    Manifest::from_toml(MANIFEST)
}

/// Puts its files into a folder below `home`, named after the version of the program; returns it. They are part of the binary, so
/// that a copy of it alone is whole, and have to be files for the loader, which reads any reward model in the same way.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn unpack(home: &Path) -> io::Result<PathBuf> {
    let folder = home.join("persrm").join(concat!("smollm2-135m-pad-", env!("CARGO_PKG_VERSION")));
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in FILES.into_iter().chain([("persrm.toml", MANIFEST.as_bytes())]) {
        let path = folder.join(name);
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            continue;
        }
        // Another process may be reading the old file, or writing the new one.
        let fresh = folder.join(format!("{name}.{}", std::process::id()));
        std::fs::write(&fresh, bytes)?;
        std::fs::rename(&fresh, &path)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_unpacked_once_and_mended() {
        let home = tempfile::tempdir().unwrap();
        let folder = unpack(home.path()).unwrap();
        let heads = folder.join("heads.safetensors");
        std::fs::write(&heads, "torn").unwrap();
        assert_eq!(unpack(home.path()).unwrap(), folder);
        assert_eq!(std::fs::read(&heads).unwrap(), FILES[0].1);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), FILES.len() + 1, "nothing is left over");
    }

    #[test]
    fn it_knows_its_base_model_and_its_dimensions() {
        let manifest = manifest().unwrap();
        assert!(manifest.base.is_some());
        assert!(pad_reward::RewardModel::new(manifest).is_ok());
    }
}
