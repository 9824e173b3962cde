//! `pad bench`: the speed of decoding in this process, or of servers over HTTP.
//!
//! All cases take turns within each round, and the report gives medians over rounds: the machine's speed drifts, and cases that are
//! measured close together drift together.

mod in_process;
mod load;

use anyhow::ensure;
use clap::Args;

use crate::flags::Flags;
use crate::output;
use in_process::InProcess;
use load::{Asked, LoadArgs};

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    flags: Flags,
    /// Measure random weights of a named shape in place of the model, such as llama-3-8b: nothing is fetched, and what it says is noise
    #[arg(long, value_name = "SHAPE", conflicts_with_all = ["against", "form", "model", "reward"])]
    random: Option<String>,
    /// Numbers of sequences decoded together
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32], conflicts_with = "against")]
    sequences: Vec<usize>,
    /// Reward lanes per sequence; with `--reward FOLDER`, dimensions that its trained heads score
    #[arg(long, value_delimiter = ',', default_values_t = [0, 2], conflicts_with = "against")]
    lanes: Vec<usize>,
    /// Repeat each case with answers constrained by a JSON schema, to measure the cost of the grammar
    #[arg(long, conflicts_with = "against")]
    form: bool,
    /// Tokens in each prompt, one case per length; `--sequences 1 --lanes 0 --prompt 512` shows how fast one prompt is read
    /// [default: 64; against servers 132]
    #[arg(long, value_delimiter = ',', value_name = "TOKENS")]
    prompt: Vec<usize>,
    /// Maximum number of tokens decoded per sequence [default: 64; against servers 128]
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
    fn in_process(&self) -> InProcess<'_> {
        InProcess {
            flags: &self.flags,
            random: self.random.as_deref(),
            sequences: &self.sequences,
            lanes: &self.lanes,
            form: self.form,
            prompts: &self.prompt,
            tokens: self.tokens,
            rounds: self.rounds,
            json: self.json,
        }
    }
}

/// Measures and prints.
///
/// # Errors
///
/// When the model cannot be loaded, a case fits neither context nor memory, or a server does not answer.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    ensure!(args.rounds >= 1, "--rounds must be at least 1");
    ensure!(!args.prompt.contains(&0), "--prompt must be at least 1");
    let BenchArgs { load, flags, prompt, tokens, rounds, json, .. } = args;
    let report = if load.is_wanted() {
        let (model, key, prompts) = (flags.model(), flags.api_key(), prompt.as_slice());
        load::run(&Asked { load, model, key, prompts, tokens: *tokens, rounds: *rounds, json: *json })?
    } else {
        args.in_process().run()?
    };
    Ok(output::print(report)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn parsed(flags: &[&str]) -> Result<BenchArgs, clap::Error> {
        Line::try_parse_from([&["bench"], flags].concat()).map(|line| line.args)
    }

    #[test]
    fn flags_of_one_way_do_not_go_with_the_other() {
        assert!(parsed(&["--concurrency", "4"]).unwrap_err().to_string().contains("--against"));
        assert!(parsed(&["--against", "http://one/v1", "--lanes", "2"]).is_err());
        let both = parsed(&["--against", "http://one/v1", "--prompt", "9,99", "--tokens", "3"]).unwrap();
        assert_eq!((both.prompt, both.load.is_wanted()), (vec![9, 99], true));
        assert!(!parsed(&["--lanes", "2"]).unwrap().load.is_wanted());
    }
}
