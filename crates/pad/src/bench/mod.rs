//! `pad bench`: how fast this machine decodes in this process, or how fast servers answer over HTTP.
//!
//! All cases take turns within each round, and what is reported are medians over rounds: the machine's speed drifts, and cases
//! that are measured side by side drift together.

mod decode;
mod draws;
mod form;
mod in_process;
mod load;
mod memory;
mod quantile;
mod table;

use anyhow::ensure;
use clap::Args;

use crate::flags::Flags;
use load::LoadArgs;

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    flags: Flags,
    /// Sequences decoded side by side
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32], conflicts_with = "against")]
    sequences: Vec<usize>,
    /// Reward lanes of each sequence; with `--reward FOLDER`, dimensions that its trained heads read
    #[arg(long, value_delimiter = ',', default_values_t = [0, 2], conflicts_with = "against")]
    lanes: Vec<usize>,
    /// Measure each case once more with answers that are held to a JSON schema: what the grammar costs
    #[arg(long, conflicts_with = "against")]
    form: bool,
    /// Tokens in each prompt, one case per length; `--sequences 1 --lanes 0 --prompt 512` shows how fast one prompt is read
    /// [default: 64; against servers 132]
    #[arg(long, value_delimiter = ',', value_name = "TOKENS")]
    prompt: Vec<usize>,
    /// Tokens decoded by each sequence, at most [default: 64; against servers 128]
    #[arg(long)]
    tokens: Option<usize>,
    /// Rounds over all cases
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    load: LoadArgs,
}

impl BenchArgs {
    /// The lengths of prompts, where none are given this one.
    fn prompts(&self, default: usize) -> Vec<usize> {
        if self.prompt.is_empty() { vec![default] } else { self.prompt.clone() }
    }
}

/// Measures and prints.
///
/// # Errors
///
/// When the model cannot be loaded, a case fits neither context nor memory, or a server does not answer.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    ensure!(args.rounds >= 1, "--rounds is at least 1");
    ensure!(!args.prompt.contains(&0), "--prompt is at least 1");
    let report = if args.load.is_wanted() { load::run(args)? } else { in_process::run(args)? };
    print!("{report}");
    Ok(())
}
