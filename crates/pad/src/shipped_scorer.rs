//! The scorers that ship with `pad eval`: Python scripts whose packages are installed on first use.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use pad_eval::{RELEVANCE_REQUIREMENTS, RELEVANCE_SCORER, STYLE_REQUIREMENTS, STYLE_SCORER, Scorer};

use crate::output;

/// What runs them, as what fetches models from packages.
const PYTHON: &str = "python3";

/// A scorer that ships.
#[derive(Clone, Copy, Debug)]
pub struct ShippedScorer {
    /// Its name on the command line.
    name: &'static str,
    script: &'static str,
    requirements: &'static str,
    /// Whether the packages' own requirements are left out.
    alone: bool,
}

/// All of them.
const ALL: [ShippedScorer; 2] = [
    ShippedScorer { name: "style", script: STYLE_SCORER, requirements: STYLE_REQUIREMENTS, alone: false },
    // Its package asks for a framework of a gigabyte, which the script does without.
    ShippedScorer { name: "relevance", script: RELEVANCE_SCORER, requirements: RELEVANCE_REQUIREMENTS, alone: true },
];

impl ShippedScorer {
    /// The scorer of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scorer| scorer.name == name)
    }

    /// Puts the script into a folder of this home, where its packages are fetched by pip if they are not there yet.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or pip does not get the packages.
    pub fn install(self, home: &Path) -> anyhow::Result<Scorer> {
        let Self { name, script, requirements, alone } = self;
        let folder = home.join("scorers").join(name);
        let made = folder.join("made");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(folder.join("score.py"), script)?;
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements)?;
        if !fs::read_to_string(&made).is_ok_and(|of| of == requirements) {
            output::remark(format_args!("fetching the packages of the scorer `{name}` ..."));
            // A separate folder needs no virtual environment, and changes nothing for other programs.
            let mut pip = Command::new(PYTHON);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
            pip.arg(folder.join("packages")).arg("--requirement").arg(&list).args(alone.then_some("--no-deps"));
            let hint = "`--scorer none` does without, `--scorer COMMAND` takes another";
            let output = pip.output();
            let output =
                output.with_context(|| format!("cannot run `{PYTHON} -m pip` for the scorer `{name}`; {hint}"))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                bail!("pip could not install the packages of the scorer `{name}`: {last}; {hint}");
            }
            fs::write(made, requirements)?;
        }
        let quoted = |name: &str| format!("'{}'", folder.join(name).display().to_string().replace('\'', r"'\''"));
        // The user's pip settings might install other versions.
        let command = format!("PYTHONNOUSERSITE=1 PYTHONPATH={} {PYTHON} {}", quoted("packages"), quoted("score.py"));
        Ok(Scorer::named(name, &command))
    }
}
