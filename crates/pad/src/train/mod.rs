//! `pad train`: from pairs of answers, or from prompts alone, to a personalized reward model.

mod distil;
mod distil_flags;
mod flags;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use pad_hub::ModelFiles;
use pad_model::{GgufWeights, Pool, Weights};
use pad_text::Chat;
use pad_train::{Backbone, Base, Corpus, Ending, Pair, Plan, Record, Settings as Training, Trainer, Verbosity};

pub use flags::TrainArgs;

use crate::settings::{Environment, Settings};
use crate::signals::Signals;
use crate::{cores, loading, output, pull};

/// Trains, evaluates and writes the folder.
///
/// # Errors
///
/// What the settings, the hub, the pairs or the training refuse.
pub fn run(args: &TrainArgs, environment: &Environment) -> anyhow::Result<()> {
    if args.distil.distil {
        return distil::run(args, environment);
    }
    pad_model::work_alone();
    let started = Instant::now();
    let training = args.training()?;
    let descriptions = args.descriptions()?;
    let (pairs, held_out) = (read(&args.data)?, read(&args.held_out)?);
    let settings = Settings::load(None, environment, args.layer())?;
    let files = pull::base_model(&settings, environment, pull::on_terminal)?;
    let threads = if args.threads == 0 { cores::physical() } else { args.threads };
    let (backbone, chat) = load(&files)?;

    let dimensions = pad_train::dimensions(&pairs);
    let corpus = Corpus::new(&chat, &pairs, &dimensions, &training)?;
    let all = Training { max_pairs_per_dimension: 0, ..training.clone() };
    let held_out = Corpus::new(&chat, &held_out, &dimensions, &all).context("--held-out")?;
    let trainer = Trainer::new(training, &backbone, dimensions, corpus, threads, Verbosity::Told)?;
    let checkpoint = args.out.join("checkpoint");
    ensure!(
        args.resume || !checkpoint.exists() || args.plan,
        "{} exists: --resume continues from it; remove it to start over",
        checkpoint.display()
    );
    output::remark(format_args!("{threads} threads; {}", Plan::measure(&trainer)?));
    if args.plan {
        return Ok(());
    }

    let stopped = Arc::new(AtomicBool::new(false));
    watch(Arc::clone(&stopped))?;
    let stop = || stopped.load(Ordering::Relaxed);
    if trainer.run(&checkpoint, args.resume, &stop)? == Ending::Stopped {
        if checkpoint.exists() {
            bail!("stopped; --resume continues from {}", checkpoint.display());
        }
        bail!("stopped before the first step");
    }
    let accuracies = if held_out.examples.is_empty() { None } else { trainer.evaluate(&held_out, &stop)? };
    let names =
        |paths: &[PathBuf]| paths.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
    let record = Record {
        files: names(&args.data),
        sources: count(&pairs, |p| p.source.split(':').next().unwrap_or_default()),
        pairs: trainer.pairs(),
        held_out: accuracies,
        seconds: started.elapsed().as_secs(),
    };
    let base = Base { name: settings.model.served_name(), sha256: loading::weights_checksum(loading::path(&files))? };
    let describe =
        |name: &str| descriptions.get(name).map_or_else(|| format!("{name} answers"), |text| (*text).to_owned());
    pad_train::write(&args.out, &trainer, &base, &record, describe)?;
    pad_train::remove_checkpoint(&checkpoint)?;
    for (name, [alone, headed]) in trainer.dimensions.iter().zip(record.held_out.iter().flatten()) {
        let [low, high] = headed.interval().map(|x| 100.0 * x);
        output::remark(format_args!(
            "{name}: {:.1} % of {} held-out pairs right ({low:.1} to {high:.1} %); adapter alone {:.1} %",
            100.0 * headed.share(),
            headed.pairs,
            100.0 * alone.share()
        ));
    }
    Ok(output::print(format_args!("{}\n", args.out.display()))?)
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Pair>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(pad_train::read(path)?);
    }
    Ok(all)
}

fn load(files: &ModelFiles) -> anyhow::Result<(Backbone, Chat)> {
    let (mut weights, chat): (Box<dyn Weights>, Chat) = match files {
        ModelFiles::Gguf(path) => {
            let weights = GgufWeights::open(path)?;
            let chat = Chat::from_gguf(weights.content()).with_context(|| path.display().to_string())?;
            (Box::new(weights), chat)
        }
        ModelFiles::Directory(path) => {
            (pad_model::open(path)?, Chat::from_dir(path).with_context(|| path.display().to_string())?)
        }
    };
    Ok((Backbone::load(weights.as_mut(), Arc::new(Pool::new(1)))?, chat))
}

/// Sets `stop` at the first SIGINT or SIGTERM; the second ends the process.
fn watch(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            let mut signals = match Signals::new() {
                Ok(signals) => signals,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            let signal = signals.next().await;
            output::remark(format_args!("{signal}: saving after this step; a second signal exits at once"));
            stop.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(130);
        });
    });
    Ok(is_ready.recv().context("the thread that waits for signals is gone")??)
}

fn count<'a>(pairs: &'a [Pair], of: impl Fn(&'a Pair) -> &'a str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for pair in pairs {
        *counts.entry(of(pair).to_owned()).or_default() += 1;
    }
    counts.retain(|name: &String, _| !name.is_empty());
    counts
}
