//! The reward models that ship with the program: their files are part of the binary.

use std::io;
use std::path::{Path, PathBuf};

use pad_reward::{Manifest, RewardError};

/// The files of one in `models/`.
macro_rules! shipped {
    ($name:literal) => {
        Shipped {
            name: $name,
            manifest: include_str!(concat!("../../../models/", $name, "/persrm.toml")),
            files: [
                ("heads.safetensors", include_bytes!(concat!("../../../models/", $name, "/heads.safetensors"))),
                ("README.md", include_bytes!(concat!("../../../models/", $name, "/README.md"))),
            ],
        }
    };
}

/// All of them, each for another base model.
pub const ALL: &[Shipped] =
    &[shipped!("smollm2-135m-pad"), shipped!("qwen2.5-coder-0.5b-pad"), shipped!("qwen2.5-coder-1.5b-pad")];

/// A reward model that ships with the program.
#[derive(Debug)]
pub struct Shipped {
    /// The name of its folder.
    name: &'static str,
    manifest: &'static str,
    /// Its other files by name.
    files: [(&'static str, &'static [u8]); 2],
}

impl Shipped {
    /// Reads its manifest.
    ///
    /// # Errors
    ///
    /// Never, unless the program was built with a broken one.
    pub fn manifest(&self) -> Result<Manifest, RewardError> {
        Manifest::from_toml(self.manifest)
    }

    /// Puts its files into a folder below `home`, named after it and the version of the program; returns the folder. They are part of
    /// the binary, so that a copy of it alone is whole, and have to be files for the loader, which reads any reward model in the same
    /// way.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn unpack(&self, home: &Path) -> io::Result<PathBuf> {
        let folder = home.join("persrm").join(format!("{}-{}", self.name, env!("CARGO_PKG_VERSION")));
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in self.files.into_iter().chain([("persrm.toml", self.manifest.as_bytes())]) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_unpacked_once_and_mended() {
        let home = tempfile::tempdir().unwrap();
        for shipped in ALL {
            let folder = shipped.unpack(home.path()).unwrap();
            let heads = folder.join("heads.safetensors");
            std::fs::write(&heads, "torn").unwrap();
            assert_eq!(shipped.unpack(home.path()).unwrap(), folder);
            assert_eq!(std::fs::read(&heads).unwrap(), shipped.files[0].1);
            let files = std::fs::read_dir(&folder).unwrap().count();
            assert_eq!(files, shipped.files.len() + 1, "nothing is left over");
        }
    }

    #[test]
    fn each_knows_its_base_model_and_its_dimensions() {
        let mut bases = std::collections::HashSet::new();
        for shipped in ALL {
            let manifest = shipped.manifest().unwrap();
            let base = manifest.base.clone().expect("what it was trained on");
            assert!(bases.insert(base.sha256), "{}: another one is for the same base model", shipped.name);
            assert!(pad_reward::RewardModel::new(manifest).is_ok());
        }
    }
}
