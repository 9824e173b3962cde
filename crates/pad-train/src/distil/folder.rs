//! Distilled heads as a folder that the server loads: manifest, heads, model card.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::distiller::{Distilled, Distiller};
use super::judgement::Fidelity;
use crate::TrainError;
use crate::manifest::{Base, Manifest, settings_table};
use crate::persrm::save;

/// What people may want to know of the distillation.
#[derive(Clone, Debug, Default)]
pub struct DistilRecord {
    /// Where the traces came from: the model that answered.
    pub source: String,
    /// Wall-clock time of this run.
    pub seconds: u64,
}

/// What the manifest says of a dimension.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DistilledDimension {
    /// Its name.
    pub name: String,
    /// One line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The instruction that its rewards come from.
    pub principle: String,
    /// The instruction for less of it; weights below 0 use the head of the dimension that has it as principle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opposite: Option<String>,
    /// Whether it has no head, so that the base model itself reads its principle.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prompted: bool,
    /// Smallest and largest weight at which answers stay on topic, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommended: Option<[f64; 2]>,
}

#[derive(Serialize)]
struct Training<'a> {
    method: &'static str,
    source: &'a str,
    seconds: u64,
    prompts: usize,
    held_out_prompts: usize,
    tokens: usize,
    held_out_tokens: usize,
    strengths: BTreeMap<&'a str, f64>,
    held_out: BTreeMap<&'a str, Fidelity>,
    settings: toml::Value,
}

/// Write the folder, made if need be; `dimensions` are in the order of the heads, and those without a head come after them.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    folder: &Path,
    distiller: &Distiller<'_>,
    distilled: &Distilled,
    base: &Base,
    dimensions: &[DistilledDimension],
    record: &DistilRecord,
) -> Result<(), TrainError> {
    let rounded = |x: f64| (x * 1e3).round() / 1e3;
    let names = || distilled.dimensions.iter().map(String::as_str);
    let fidelity = distilled.fidelity.iter().map(|Fidelity { variance, correlation }| Fidelity {
        variance: rounded(*variance),
        correlation: rounded(*correlation),
    });
    let ([prompts, held_out_prompts], [tokens, held_out_tokens]) = (distiller.prompts(), distiller.tokens());
    let training = Training {
        method: "distilled from prompted lanes",
        source: &record.source,
        seconds: record.seconds,
        prompts,
        held_out_prompts,
        tokens,
        held_out_tokens,
        strengths: names().zip(distilled.strengths.iter().map(|s| rounded(f64::from(*s)))).collect(),
        held_out: names().zip(fidelity).collect(),
        settings: settings_table(distiller.settings()),
    };
    let manifest = Manifest::new(base, distiller.settings().top_k, dimensions.iter().collect(), training);
    manifest.write(folder, &card(&manifest))?;
    let heads = distilled.heads.iter().zip(&distilled.dimensions).flat_map(|(head, name)| head.variables(name));
    save(&folder.join("heads.safetensors"), heads.collect())
}

fn card(manifest: &Manifest<'_, &DistilledDimension, Training<'_>>) -> String {
    let training = &manifest.training;
    let mut card = format!(
        "# A personalized reward model for {}\n\nKind `heads`, distilled by `pad train --distil`: {} dimensions with a head. Each head tells, from the base model's own hidden \
         state, what an instruction in the prompt would change in the log-probability of each candidate; there is no adapter, and steering adds no lane.\n\n",
        manifest.base.name,
        training.strengths.len()
    );
    card.push_str("| dimension | instruction | held-out R2 | correlation | strength |\n|---|---|---:|---:|---:|\n");
    for DistilledDimension { name, principle, .. } in manifest.dimensions.iter().filter(|dimension| !dimension.prompted)
    {
        let strength = training.strengths.get(name.as_str()).copied().unwrap_or(1.0);
        let (variance, correlation) = match training.held_out.get(name.as_str()) {
            Some(f) => (format!("{:.2}", f.variance), format!("{:.2}", f.correlation)),
            None => (String::new(), String::new()),
        };
        let _ = writeln!(card, "| `{name}` | {principle} | {variance} | {correlation} | {strength:.2} |");
    }
    let prompted: Vec<String> =
        manifest.dimensions.iter().filter(|d| d.prompted).map(|d| format!("`{}`", d.name)).collect();
    if !prompted.is_empty() {
        let _ = writeln!(
            card,
            "\nWithout a head, read by the base model under its instruction in a lane of its own: {}.",
            prompted.join(", ")
        );
    }
    let _ = write!(
        card,
        "\nR2 and correlation are those of the heads' rewards and the prompted lanes', over the candidates of {} tokens of {} prompts that were not trained on. Rewards were \
         multiplied by the strength, so that weight 1 means as told.\n\n## Data\n\n{} prompts, {} tokens of steered answers of {}.\n\nSettings and seeds are in \
         `persrm.toml`.\n",
        training.held_out_tokens, training.held_out_prompts, training.prompts, training.tokens, training.source
    );
    card
}
