//! The scorer of style that ships with `pad eval`: a Python script with its packages, made ready when it is first used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use pad_eval::{STYLE_REQUIREMENTS, STYLE_SCORER, Scorer};

/// What runs it, as what fetches models from packages.
const PYTHON: &str = "python3";

/// The folder with the script and its packages.
#[derive(Debug)]
pub struct StyleScorer {
    folder: PathBuf,
}

impl StyleScorer {
    /// The scorer in a folder of this home; its packages are fetched by pip where they are not there yet.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or pip does not get the packages.
    pub fn in_folder(home: &Path) -> anyhow::Result<Self> {
        let folder = home.join("scorers").join("style");
        let made = folder.join("made");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(folder.join("style.py"), STYLE_SCORER)?;
        let requirements = folder.join("requirements.txt");
        fs::write(&requirements, STYLE_REQUIREMENTS)?;
        if fs::read_to_string(&made).is_ok_and(|of| of == STYLE_REQUIREMENTS) {
            return Ok(Self { folder });
        }
        eprintln!("fetching the packages of the scorer `style` ...");
        let packages = folder.join("packages");
        // A folder of its own needs no virtual environment, and changes nothing for other programs.
        let mut pip = Command::new(PYTHON);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
        let output = pip.arg(&packages).arg("--requirement").arg(&requirements).output();
        let hint = "`--scorer none` does without, `--scorer COMMAND` takes another";
        let output = output.with_context(|| format!("cannot run `{PYTHON} -m pip` for the scorer `style`; {hint}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            bail!("pip could not install the packages of the scorer `style`: {last}; {hint}");
        }
        fs::write(made, STYLE_REQUIREMENTS)?;
        Ok(Self { folder })
    }

    /// Its command.
    pub fn scorer(&self) -> Scorer {
        let quoted = |name: &str| format!("'{}'", self.folder.join(name).display().to_string().replace('\'', r"'\''"));
        // The settings of whoever runs it might bring other versions.
        let command = format!("PYTHONNOUSERSITE=1 PYTHONPATH={} {PYTHON} {}", quoted("packages"), quoted("style.py"));
        Scorer::named("style", &command)
    }
}
