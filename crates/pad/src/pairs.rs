//! `pad pairs`: preference pairs from the base model's own answers.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use pad_client::{Client, Connections};
use pad_pairs::{
    Length, Output, Outputs, Place, Plan, Prompt, Questions, Rules, Runs, Scorer, Tally, Told, make_pairs, own_prompts,
};

use crate::flags::Flags;
use crate::local_server::AskedServer;
use crate::settings::{Environment, Settings};
use crate::{logging, output};

/// Number of consecutive words that a prompt must not share with one that is to be avoided.
const OVERLAP: usize = 5;

/// Time limit of a request; on a small machine answers wait for each other.
const PATIENCE: Duration = Duration::from_mins(10);

/// Which pairs to make, and from what.
#[derive(Debug, Args)]
pub struct PairsArgs {
    /// Name of the dimension that the better answers have more of
    #[arg(long, value_name = "NAME")]
    dimension: String,
    /// Instruction for the better answers, for example "Answer in one short sentence."
    #[arg(long, value_name = "TEXT")]
    principle: Option<String>,
    /// Instruction for the worse answers, for example "Explain at length."; without it they get none
    #[arg(long, value_name = "TEXT", requires = "principle")]
    opposite: Option<String>,
    /// Where the instruction goes
    #[arg(long, value_enum, default_value_t = PlaceArg::System)]
    place: PlaceArg,
    /// Share of the prompts whose worse answers get no instruction instead of the opposite
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, requires = "opposite")]
    plain_share: f64,
    /// A command that scores answers: reads lines of {"id","prompt","answer"}, writes lines of {"id","score"},
    /// null to drop an answer. Alone, it pairs the
    /// best with the worst of the samples; with a principle it drops pairs that it disagrees with
    #[arg(long, value_name = "CMD", required_unless_present = "principle")]
    scorer: Option<String>,
    /// Which score to use if the scorer writes several
    #[arg(long, value_name = "NAME", requires = "scorer")]
    score: Option<String>,
    /// Minimum difference between the two scores
    #[arg(long, default_value_t = 0.0, requires = "scorer")]
    margin: f64,
    /// A file of prompts: a JSON array, or JSON lines; each a text, {"prompt"} or {"messages"}
    #[arg(long, value_name = "FILE", required_unless_present = "own_prompts")]
    prompts: Option<PathBuf>,
    /// Number of additional prompts about common topics, half of them written by the model; its questions are kept in OUT.questions
    #[arg(long, value_name = "N")]
    own_prompts: Option<usize>,
    /// A file of prompts; drop every prompt that shares five consecutive words with one of them; repeatable
    #[arg(long, value_name = "FILE")]
    avoid: Vec<PathBuf>,
    /// Answers per prompt and instruction [default: 1; without a principle 8]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Maximum number of pairs per prompt
    #[arg(long, value_name = "N", default_value_t = 1)]
    pairs_per_prompt: usize,
    /// Neither answer of a pair may have more than this many times the other's words
    #[arg(long, value_name = "RATIO", num_args = 0..=1, default_missing_value = "1.33", conflicts_with = "shorter")]
    match_length: Option<f64>,
    /// For a dimension of length: the worse answer must have at least this many times the better one's words
    #[arg(long, value_name = "RATIO", num_args = 0..=1, default_missing_value = "1.5")]
    shorter: Option<f64>,
    /// Drop pairs whose better answer was cut off
    #[arg(long)]
    chosen_complete: bool,
    /// Maximum number of tokens of an answer; longer ones are cut off and marked
    #[arg(long, value_name = "TOKENS", default_value_t = 96)]
    max_tokens: usize,
    /// Sampling temperature
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Sample from the most probable tokens that together reach this probability
    #[arg(long, default_value_t = 0.95)]
    top_p: f64,
    /// Seed; the same seed gives the same pairs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of concurrent requests
    #[arg(long, value_name = "N", default_value_t = 32)]
    concurrency: usize,
    /// Stop when the file has this many pairs
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// The file of pairs; prompts that it already covers are skipped, so an interrupted run continues
    #[arg(long, short, alias = "output", value_name = "FILE")]
    out: PathBuf,
    /// A second file, for pairs that are kept out of training, to measure the trained model
    #[arg(long, value_name = "FILE")]
    held_out: Option<PathBuf>,
    /// Share of the prompts whose pairs go into that file
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    held_out_share: f64,
    /// Source recorded in the pairs [default: the model and its instruction]
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// URL of a running server to use instead of a model in this process
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlaceArg {
    /// In the system message.
    System,
    /// After the user's words; small models follow it better there.
    User,
}

impl PairsArgs {
    fn plan(&self, model: &str) -> Plan {
        let place = match self.place {
            PlaceArg::System => Place::System,
            PlaceArg::User => Place::User,
        };
        let told = |instruction: &Option<String>| match instruction {
            Some(instruction) => Told { instruction: Some(instruction.clone()), place },
            None => Told::default(),
        };
        let length = match (self.match_length, self.shorter) {
            (Some(ratio), _) => Length::Matched(ratio),
            (None, Some(ratio)) => Length::Shorter(ratio),
            (None, None) => Length::Any,
        };
        Plan {
            dimension: self.dimension.clone(),
            source: self.source.clone().unwrap_or_else(|| self.told_source(model)),
            chosen: told(&self.principle),
            rejected: told(&self.opposite),
            plain_share: self.plain_share,
            samples: self.samples.unwrap_or(if self.principle.is_some() { 1 } else { 8 }),
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed,
            in_flight: self.concurrency,
            scorer: self.scorer.as_ref().map(|command| Scorer::new(command, self.score.as_deref())),
            rules: Rules {
                length,
                margin: self.margin,
                chosen_complete: self.chosen_complete,
                pairs: self.pairs_per_prompt,
            },
            enough: self.pairs,
            held_out_share: if self.held_out.is_some() { self.held_out_share } else { 0.0 },
        }
    }

    fn told_source(&self, model: &str) -> String {
        match (&self.principle, &self.opposite) {
            (Some(_), Some(_)) => format!("{model}: told the principle > told its opposite"),
            (Some(_), None) => format!("{model}: told the principle > told nothing"),
            (None, _) => format!("{model}: best > worst by a scorer"),
        }
    }

    /// The file of the model's own questions: beside the pairs.
    fn questions(&self) -> PathBuf {
        let mut name = self.out.file_name().unwrap_or_default().to_owned();
        name.push(".questions");
        self.out.with_file_name(name)
    }

    /// The prompts of the file and the generated ones, without those that are to be avoided.
    fn prompts(&self, client: &Client) -> anyhow::Result<Vec<Prompt>> {
        let mut prompts = self.prompts.as_deref().map(Prompt::read).transpose()?.unwrap_or_default();
        if let Some(count) = self.own_prompts {
            let mut questions = Questions::open(&self.questions(), self.seed)?;
            prompts.extend(own_prompts(client, count, self.concurrency, &mut questions)?);
        }
        without_avoided(&mut prompts, &self.avoid)?;
        Ok(prompts)
    }
}

/// Drops the prompts that share five consecutive words with a prompt of the files.
///
/// # Errors
///
/// When a file cannot be read, or no prompt is left.
pub fn without_avoided(prompts: &mut Vec<Prompt>, files: &[PathBuf]) -> anyhow::Result<()> {
    let avoided: Vec<Vec<Prompt>> = files.iter().map(|path| Prompt::read(path)).collect::<Result<_, _>>()?;
    let texts = avoided.iter().flatten().flat_map(|prompt| &prompt.messages).map(|message| message.content.as_str());
    let runs = Runs::of(texts, OVERLAP);
    let all = prompts.len();
    prompts.retain(|prompt| !prompt.messages.iter().any(|message| runs.meet(&message.content)));
    if prompts.len() < all {
        output::remark(format_args!(
            "{} of {all} prompts dropped: they share {OVERLAP} consecutive words with a prompt to avoid",
            all - prompts.len()
        ));
    }
    ensure!(!prompts.is_empty(), "there are no prompts");
    Ok(())
}

/// Makes the pairs and reports the result.
///
/// # Errors
///
/// When the model cannot be loaded, or an error of [`make_pairs`].
pub fn run(args: &PairsArgs) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let file = args.flags.file.path(&environment);
    let mut layer = args.flags.layer();
    // The answers are the base model's own.
    layer.set("reward", "pad pairs", "none");
    if layer.get(&["log", "level"]).is_none() {
        layer.set("log.level", "pad pairs", "warn");
    }
    let settings = Settings::load(file.as_deref(), &environment, layer)?;
    logging::start(&settings.log)?;
    args.plan("").check()?;
    let mut outputs = Outputs {
        training: Output::open(&args.out)?,
        held_out: args.held_out.as_deref().map(Output::open).transpose()?,
    };

    let server = AskedServer::at(args.server.as_deref(), &settings, &environment)?;
    let url = server.url();
    let connections = Connections { most: args.concurrency, timeout: PATIENCE };
    let client = Client::new(url, args.flags.api_key(), connections)?;
    let model = if args.server.is_some() { "the server's model".to_owned() } else { settings.model.served_name() };
    let prompts = args.prompts(&client)?;
    let bar = bar(prompts.len());
    let tally = make_pairs(&args.plan(&model), &client, &prompts, &mut outputs, |tally| {
        bar.set_length(tally.prompts as u64);
        bar.set_position(tally.asked as u64);
        bar.set_message(format!("{} pairs", tally.pairs + tally.held_out));
    })?;
    bar.finish_and_clear();
    Ok(output::print(format_args!("{}\n", report(&tally, &args.out, args.held_out.as_deref())))?)
}

/// A bar over so many prompts; hidden where there is no terminal.
pub fn bar(prompts: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{pos}/{len} prompts [{wide_bar}] {msg} ({eta})");
    ProgressBar::new(prompts as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The result in a few lines.
fn report(tally: &Tally, output: &Path, held_out: Option<&Path>) -> String {
    let Tally { prompts, skipped, asked, answers, empty, repetitive, leaking, unpaired, pairs, held_out: out } = tally;
    let held_out = held_out.map_or_else(String::new, |path| format!(", {out} in {}", path.display()));
    format!(
        "{pairs} pairs more in {}{held_out}\n{asked} of {prompts} prompts asked, {skipped} skipped; {answers} answers, without {empty} empty, {repetitive} \
         repetitive and {leaking} that repeat what they were told; {unpaired} prompts made no pair",
        output.display()
    )
}
