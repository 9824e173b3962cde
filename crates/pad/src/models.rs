//! `pad models`: the catalogue of models that are known to work.

use std::fmt::Write as _;

use clap::Args;
use pad_hub::{Catalogue, Hub, KnownModel};
use serde_json::json;

use crate::config_file::ConfigFile;
use crate::settings::{Environment, Layer, Settings};
use crate::{output, pull};

/// How to list them.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help texts on the terminal")]
pub struct ModelsArgs {
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Folder for fetched models [env: PAD_HOME]
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Prints the catalogue on standard output.
///
/// # Errors
///
/// An error of the settings or the hub.
pub fn run(args: &ModelsArgs, environment: &Environment) -> anyhow::Result<()> {
    let mut layer = Layer::new("the flags");
    layer.set_some("home", "the flag --home", args.home.clone());
    let settings = Settings::load(args.file.path(environment).as_deref(), environment, layer)?;
    let hub = pull::hub(&settings, environment)?;
    let catalogue = Catalogue::shipped()?;
    if args.json {
        let models: Vec<_> = catalogue.models.iter().map(|model| as_json(model, is_here(&hub, model))).collect();
        output::print(format_args!("{}\n", serde_json::to_string_pretty(&models)?))?;
    } else {
        output::print(table(&catalogue, |model| is_here(&hub, model)))?;
    }
    Ok(())
}

/// Whether a model was downloaded before.
fn is_here(hub: &Hub, model: &KnownModel) -> bool {
    hub.here(&model.sources, Some(&model.sha256)).is_ok_and(|files| files.is_some())
}

fn as_json(model: &KnownModel, here: bool) -> serde_json::Value {
    let sources: Vec<String> = model.sources.iter().map(ToString::to_string).collect();
    json!({
        "name": model.name, "family": model.family, "parameters": u64::from(model.millions) * 1_000_000,
        "format": model.format, "bytes": model.bytes, "context": model.context, "licence": model.licence,
        "reward": model.reward, "verified": model.verified, "sha256": model.sha256, "sources": sources, "here": here,
    })
}

/// A line of figures and a line of words for each model.
fn table(catalogue: &Catalogue, is_here: impl Fn(&KnownModel) -> bool) -> String {
    let mut text = format!(
        "{:<20} {:>10} {:>8} {:>7} {:>8} {:<20} {:<18}\n",
        "NAME", "PARAMETERS", "SIZE", "FORMAT", "CONTEXT", "LICENCE", "REWARD MODEL"
    );
    for model in &catalogue.models {
        let KnownModel { name, millions, bytes, format, context, licence, reward, verified, .. } = model;
        let (parameters, size) = (format!("{millions} M"), format!("{} MB", bytes / 1_000_000));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<20} {parameters:>10} {size:>8} {format:>7} {context:>8} {licence:<20} {reward:<18}\n    {verified}{}",
            if is_here(model) { "; on this machine" } else { "" }
        );
    }
    text.push_str("\nServe one by its name: pad serve --model NAME. Any other GGUF file or folder of a supported family: --model PATH.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_its_figures_and_where_it_is() {
        let catalogue = Catalogue::shipped().unwrap();
        let text = table(&catalogue, |model| model.name == "smollm2-135m");
        for model in &catalogue.models {
            assert!(text.contains(&model.name) && text.contains(&model.verified), "{text}");
        }
        assert_eq!(text.matches("on this machine").count(), 1, "{text}");
        let model = as_json(&catalogue.models[0], true);
        assert_eq!((model["name"].as_str(), model["here"].as_bool()), (Some("smollm2-135m"), Some(true)));
        assert!(model["sources"][0].as_str().unwrap().starts_with("pypi:"), "{model}");
    }

    #[test]
    fn a_reward_model_of_the_catalogue_is_part_of_the_program_or_prompted() {
        let known = ["prompted", "smollm2-135m-pad", "qwen2.5-coder-0.5b-pad", "qwen2.5-coder-1.5b-pad"];
        for model in Catalogue::shipped().unwrap().models {
            assert!(known.contains(&model.reward.as_str()), "{}: {}", model.name, model.reward);
        }
    }
}
