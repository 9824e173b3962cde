//! The flags of `pad train --distil`.

use std::path::PathBuf;

use clap::Args;

/// Prompts, dimensions and answers of a distillation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Distillation")]
pub struct DistilFlags {
    /// Distil heads from prompted lanes: needs prompts, and no pairs
    #[arg(long, conflicts_with = "data")]
    pub(super) distil: bool,
    /// A file of prompts: a JSON array, or JSON lines; each a text, {"prompt"} or {"messages"}
    #[arg(long, value_name = "FILE", requires = "distil")]
    pub(super) prompts: Option<PathBuf>,
    /// Number of additional prompts about common topics, half of them written by the model [default: 250 without --prompts]
    #[arg(long, value_name = "N", requires = "distil")]
    pub(super) own_prompts: Option<usize>,
    /// A file of prompts; drop every prompt that shares five consecutive words with one of them; repeatable
    #[arg(long, value_name = "FILE", requires = "distil")]
    pub(super) avoid: Vec<PathBuf>,
    /// Dimensions of the prompted catalogue, and with each the one that is its opposite [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "distil")]
    pub(super) dimensions: Vec<String>,
    /// Answers per prompt: the first is the base model's own, the others are steered in several ways
    #[arg(long, value_name = "N", default_value_t = 6, requires = "distil")]
    pub(super) answers: usize,
    /// Sampling temperature of the answers
    #[arg(long, default_value_t = 0.8, requires = "distil")]
    pub(super) temperature: f64,
    /// Share of the prompts that are kept to measure the heads
    #[arg(long, value_name = "SHARE", requires = "distil")]
    pub(super) held_out_share: Option<f64>,
    /// Number of concurrent requests
    #[arg(long, value_name = "N", default_value_t = 16, requires = "distil")]
    pub(super) concurrency: usize,
    /// URL of a running PAD Server of the same model with a prompted reward model, instead of one in this process
    #[arg(long, value_name = "URL", requires = "distil")]
    pub(super) server: Option<String>,
}
