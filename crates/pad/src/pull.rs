//! `pad pull`: fetch a model without serving it.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use pad_hub::{Catalogue, Hub, HubError, KnownModel, ModelFiles, Source};

use crate::config_file::ConfigFile;
use crate::settings::{Environment, Layer, Settings};
use crate::{home, output};

/// What to fetch, and where to store it.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help texts on the terminal")]
pub struct PullArgs {
    /// A model's name (see `pad models`) or source; the one in the settings if not given
    source: Option<String>,
    /// The SHA-256 that the file must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Folder for fetched models [env: PAD_HOME]
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

impl PullArgs {
    fn layer(&self) -> Layer {
        let mut layer = Layer::new("the flags");
        layer.set_some("model.source", "the argument", self.source.clone());
        layer.set_some("model.sha256", "the flag --sha256", self.sha256.clone());
        layer.set_some("home", "the flag --home", self.home.clone());
        layer
    }
}

/// Fetches the model and prints its path on standard output.
///
/// # Errors
///
/// An error of the settings or the hub.
pub fn run(args: &PullArgs, environment: &Environment) -> anyhow::Result<()> {
    let settings = Settings::load(args.file.path(environment).as_deref(), environment, args.layer())?;
    let (ModelFiles::Gguf(path) | ModelFiles::Directory(path)) = base_model(&settings, environment, on_terminal)?;
    Ok(output::print(format_args!("{}\n", path.display()))?)
}

/// Tells on the terminal that a source does not give a model.
pub fn on_terminal(source: &Source, error: &HubError) {
    output::remark(format_args!("{source} does not give the model ({error}); trying the next source"));
}

/// The files of the base model that the settings name, fetched if need be: by a name of the catalogue, or from a source. `failed` is told
/// of every source of the catalogue that does not give it.
///
/// # Errors
///
/// An error of the hub; see [`pad_hub::HubError`].
pub fn base_model(
    settings: &Settings,
    environment: &Environment,
    failed: impl FnMut(&Source, &HubError),
) -> anyhow::Result<ModelFiles> {
    let (given, hub) = (settings.model.source.as_str(), hub(settings, environment)?);
    let sha256 = Some(settings.model.sha256.as_str()).filter(|sha256| !sha256.is_empty());
    let catalogue = Catalogue::shipped()?;
    if let Some(model) = known(&catalogue, given) {
        return Ok(hub.pull_first(&model.sources, Some(sha256.unwrap_or(&model.sha256)), failed)?);
    }
    let pulled = hub.pull(&given.parse()?, sha256);
    if let Err(HubError::NotAModel { .. }) = &pulled
        && !given.contains(['/', '\\'])
    {
        let names: Vec<&str> = catalogue.models.iter().map(|model| model.name.as_str()).collect();
        return pulled.with_context(|| {
            format!("`{given}` is neither a path nor a name of the catalogue ({})", names.join(", "))
        });
    }
    Ok(pulled?)
}

/// The model of the catalogue that `given` names. A path that exists is that path, whatever the catalogue holds.
pub fn known<'a>(catalogue: &'a Catalogue, given: &str) -> Option<&'a KnownModel> {
    catalogue.find(given).filter(|_| !Path::new(given).exists())
}

/// The hub, configured by the settings and the environment.
///
/// # Errors
///
/// When no folder for models is known.
pub fn hub(settings: &Settings, environment: &Environment) -> anyhow::Result<Hub> {
    let home = home::home(settings, environment)?;
    let hub = Hub::new(home, true).with_token(environment.hub_token().map(Into::into));
    Ok(hub.with_endpoint(environment.hub_endpoint().map(Into::into)))
}
