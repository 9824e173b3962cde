//! The flag that names the file of settings.

use std::path::PathBuf;

use clap::Args;

use crate::settings::Environment;

/// Where settings come from besides flags.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help texts on the terminal")]
pub struct ConfigFile {
    /// Settings in TOML; see config/pad.toml [env: PAD_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigFile {
    /// The file to read: the flag's, else the environment's, else none.
    pub fn path(&self, environment: &Environment) -> Option<PathBuf> {
        self.config.clone().or_else(|| environment.config().map(Into::into))
    }
}
