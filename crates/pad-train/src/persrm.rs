//! The trained reward model as a folder: manifest, adapter in PEFT's layout, heads, model card.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use candle_core::{DType, Tensor, Var};
use serde::Serialize;
use serde_json::json;

use crate::TrainError;
use crate::accuracy::Accuracy;
use crate::manifest::{Base, Manifest, settings_table, write_text};
use crate::trainer::Trainer;

/// What people may want to know of the training.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The files of pairs, without their folders.
    pub files: Vec<String>,
    /// Where the pairs in the files come from (what stands before the first colon of their `source`), and how many each.
    pub sources: BTreeMap<String, usize>,
    /// Pairs of each dimension.
    pub pairs: BTreeMap<String, usize>,
    /// Held-out accuracy: of the adapter alone, and of the dimension's head.
    pub held_out: Option<Vec<[Accuracy; 2]>>,
    /// Wall-clock time of this run.
    pub seconds: u64,
}

#[derive(Serialize)]
struct Dimension<'a> {
    name: &'a str,
    description: String,
}

#[derive(Serialize)]
struct Training<'a> {
    files: &'a [String],
    seconds: u64,
    stage1_steps: usize,
    pairs: &'a BTreeMap<String, usize>,
    sources: &'a BTreeMap<String, usize>,
    held_out: BTreeMap<&'a str, HeldOut>,
    settings: toml::Value,
}

#[derive(Serialize)]
struct HeldOut {
    pairs: usize,
    right: usize,
    accuracy: f64,
    interval: [f64; 2],
    adapter_alone: f64,
}

/// Write the folder, made if need be. `describe` gives one line for people per dimension.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    folder: &Path,
    trainer: &Trainer,
    base: &Base,
    record: &Record,
    describe: impl Fn(&str) -> String,
) -> Result<(), TrainError> {
    let held_out = held_out(trainer, record);
    let dimensions = trainer.dimensions.iter().map(|name| Dimension { name, description: describe(name) }).collect();
    let training = Training {
        files: &record.files,
        seconds: record.seconds,
        stage1_steps: trainer.planned_steps().0,
        pairs: &record.pairs,
        sources: &record.sources,
        held_out,
        settings: settings_table(&trainer.settings),
    };
    let manifest = Manifest::new(base, trainer.settings.top_k, dimensions, training);
    manifest.write(folder, &card(&manifest))?;
    if let Some(adapter) = &trainer.adapter {
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base.name,
            "r": adapter.rank,
            "lora_alpha": adapter.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "target_modules": adapter.targets.iter().map(|target| target.name()).collect::<Vec<_>>(),
            "layers_to_transform": adapter.layers.clone().collect::<Vec<_>>(),
        });
        write_text(folder, "adapter_config.json", &format!("{config:#}\n"))?;
        save(&folder.join("adapter_model.safetensors"), adapter.variables())?;
    }
    let heads = trainer.heads.iter().zip(&trainer.dimensions).flat_map(|(head, name)| head.variables(name));
    save(&folder.join("heads.safetensors"), heads.collect())
}

fn held_out<'a>(trainer: &'a Trainer, record: &Record) -> BTreeMap<&'a str, HeldOut> {
    let round = |x: f64| (x * 1e4).round() / 1e4;
    let mut all = BTreeMap::new();
    for (name, [alone, headed]) in trainer.dimensions.iter().zip(record.held_out.iter().flatten()) {
        if headed.pairs > 0 {
            let Accuracy { pairs, right } = *headed;
            let (accuracy, interval) = (round(headed.share()), headed.interval().map(round));
            all.insert(
                name.as_str(),
                HeldOut { pairs, right, accuracy, interval, adapter_alone: round(alone.share()) },
            );
        }
    }
    all
}

/// Writes tensors in half precision.
///
/// # Errors
/// If the file cannot be written.
pub fn save(path: &Path, variables: Vec<(String, Var)>) -> Result<(), TrainError> {
    let half = |(name, var): (String, Var)| Ok((name, var.as_tensor().to_dtype(DType::F16)?));
    let tensors = variables.into_iter().map(half).collect::<Result<HashMap<String, Tensor>, TrainError>>()?;
    Ok(candle_core::safetensors::save(&tensors, path)?)
}

fn card(manifest: &Manifest<'_, Dimension<'_>, Training<'_>>) -> String {
    let mut card = format!(
        "# A personalized reward model for {}\n\nKind `heads` (Eq. 9 of PAD, two stages): {} dimensions. Made by `pad train`.\n\n",
        manifest.base.name,
        manifest.dimensions.len()
    );
    card.push_str("| dimension | pairs | held-out pairs | told right | 95 % interval | adapter alone |\n|---|---|---|---|---|---|\n");
    for Dimension { name, .. } in &manifest.dimensions {
        let pairs = manifest.training.pairs.get(*name).copied().unwrap_or_default();
        let _ = match manifest.training.held_out.get(name) {
            Some(h) => writeln!(
                card,
                "| {name} | {pairs} | {} | {:.1} % | {:.1} to {:.1} % | {:.1} % |",
                h.pairs,
                100.0 * h.accuracy,
                100.0 * h.interval[0],
                100.0 * h.interval[1],
                100.0 * h.adapter_alone
            ),
            None => writeln!(card, "| {name} | {pairs} | 0 | | | |"),
        };
    }
    card.push_str("\n## Data\n\n| source | pairs |\n|---|---|\n");
    for (source, pairs) in manifest.training.sources {
        let _ = writeln!(card, "| {source} | {pairs} |");
    }
    card.push_str("\nSettings and seeds are in `persrm.toml`.\n");
    card
}
