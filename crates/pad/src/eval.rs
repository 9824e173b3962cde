//! `pad eval`: how far steering goes, and what it costs.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use pad_eval::{
    Choice, Decoding, Method, Pair, Plan, Run, Scales, Scorer, Server, Sheet, Summary, Terms, Turn, read_pairs,
    read_preferences, read_prompts, thinned,
};

use crate::flags::Flags;
use crate::local_server::LocalServer;
use crate::logging;
use crate::settings::{Environment, RewardSettings, Settings};
use crate::style_scorer::StyleScorer;

/// What to evaluate.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    flags: Flags,
    /// Prompts: a JSON array or one JSON value a line, each a text, {"prompt"} or {"messages"}
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// Folder of the results; a run that was broken off goes on where it was
    #[arg(long, value_name = "DIR", default_value = "eval")]
    out: PathBuf,
    /// base, prompting (told in words), pad (the reward model of the settings or the server), pad:FOLDER (another reward model)
    #[arg(long, value_delimiter = ',', default_values_t = [Method::Prompting, Method::Pad(None)])]
    methods: Vec<Method>,
    /// Dimensions to steer [default: all of the reward model's that have a score]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    dimensions: Vec<String>,
    /// Weights of each dimension; 0 is the base model's own answer
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, default_values_t = [-2.0, -1.0, 0.0, 1.0, 2.0])]
    weights: Vec<f64>,
    /// Two dimensions to steer together, joined by +, or `none`; may be given several times [default: the first two]
    #[arg(long, value_name = "ONE+OTHER")]
    front: Vec<String>,
    /// Preferences in place of the grid: JSON objects, in an array or one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dimensions", "front"])]
    preferences: Option<PathBuf>,
    /// Seeds of sampled answers
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    seeds: Vec<u64>,
    /// Temperature of sampled answers
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
    /// Leave sampled answers out
    #[arg(long)]
    no_sampled: bool,
    /// Leave greedy answers out
    #[arg(long)]
    no_greedy: bool,
    /// Tokens of an answer at most
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// Guidance strength [default: the reward model's]
    #[arg(long)]
    beta: Option<f64>,
    /// Where the method `prompting` puts its words: in a system or a user turn
    #[arg(long, value_name = "system|user", default_value = "system")]
    prompting: Turn,
    /// A command that reads answers and writes scores, or `style` (needs python3 with pip), or `none`; may be given several times
    #[arg(long, value_name = "COMMAND", default_value = "style")]
    scorer: Vec<String>,
    /// Which score measures which dimension, and what a prompted model is told; adds to the shipped scales
    #[arg(long, value_name = "FILE")]
    scales: Option<PathBuf>,
    /// Held-out pairs that the reward models must tell apart (JSONL, or JSONL.gz); may be given several times
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pairs: Vec<PathBuf>,
    /// Pairs of each dimension at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    most_pairs: usize,
    /// Only so many prompts, the first ones
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Ask a running server in place of starting one; `--api-key` is then the key to send
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Requests side by side
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
}

/// Evaluates, prints the table, and writes the report.
///
/// # Errors
///
/// When a file cannot be read, a model not be loaded, a server does not answer or a scorer fails.
pub fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let file = args.flags.file.path(&environment);
    let mut settings = Settings::load(file.as_deref(), &environment, args.flags.layer())?;
    // The progress bars say what happens.
    if args.flags.log().is_none() {
        "warn".clone_into(&mut settings.log.level);
    }
    logging::start(&settings.log)?;
    ensure!(args.concurrency >= 1, "--concurrency is at least 1");
    let mut scales = Scales::shipped()?;
    if let Some(path) = &args.scales {
        scales = Scales::read(path)?;
    }
    // Before the long part: what is wrong with them is told at once.
    let scorers = scorers(&args.scorer, &settings, &environment)?;
    let mut pairs = Vec::new();
    for path in &args.pairs {
        pairs.extend(read_pairs(path)?);
    }
    let pairs = thinned(pairs, args.most_pairs);
    let mut run = Run::open(&args.out, args.plan()?, scales)?;
    match &args.server {
        Some(url) => ask_server(&mut run, args, url, &pairs)?,
        None => ask_here(&mut run, args, &settings, &environment, &pairs)?,
    }
    let sheet = Sheet::score(&run, &scorers)?;
    let summary = Summary::of(&run, &sheet, &scorers);
    summary.write(run.folder(), &sheet)?;
    print!("{}", summary.text());
    println!("\nreport: {}", args.out.join("report.html").display());
    Ok(())
}

impl EvalArgs {
    fn plan(&self) -> anyhow::Result<Plan> {
        let mut prompts = read_prompts(&self.prompts)?;
        prompts.truncate(self.limit.unwrap_or(usize::MAX));
        let choice = match &self.preferences {
            Some(path) => Choice::Given(read_preferences(path)?),
            None => Choice::Grid {
                dimensions: self.dimensions.clone(),
                weights: self.weights.clone(),
                fronts: self.fronts()?,
            },
        };
        let seeds: &[u64] = if self.no_sampled { &[] } else { &self.seeds };
        let mut decodings: Vec<Decoding> = seeds.iter().copied().map(Decoding::Seed).collect();
        decodings.extend((!self.no_greedy).then_some(Decoding::Greedy));
        let terms =
            Terms { temperature: self.temperature, max_tokens: self.tokens, turn: self.prompting, beta: self.beta };
        Ok(Plan { prompts, choice, decodings, terms, threads: self.concurrency })
    }

    fn fronts(&self) -> anyhow::Result<Option<Vec<(String, String)>>> {
        if self.front.is_empty() {
            return Ok(None);
        }
        let named = self.front.iter().filter(|front| *front != "none");
        let pair = |front: &String| {
            let (one, other) =
                front.split_once('+').with_context(|| format!("--front is `{front}`, but names two: ONE+OTHER"))?;
            Ok((one.to_owned(), other.to_owned()))
        };
        named.map(pair).collect::<anyhow::Result<_>>().map(Some)
    }

    /// The methods but base, which every run asks for; each once, in the order in which they are asked.
    fn steering(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = self.methods.iter().filter(|method| **method != Method::Base).cloned().collect();
        methods.sort();
        methods.dedup();
        methods
    }
}

/// Everything from one server, which has one reward model.
fn ask_server(run: &mut Run, args: &EvalArgs, url: &str, pairs: &[Pair]) -> anyhow::Result<()> {
    let server = Server::connect(url, args.flags.api_key(), args.concurrency)?;
    let methods = args.steering();
    if let Some(other) = methods.iter().find(|method| matches!(method, Method::Pad(Some(_)))) {
        anyhow::bail!("`{other}` cannot be had from --server, which has a reward model of its own; ask for `pad`");
    }
    ask(run, &server, &methods, &identity(&server, None), pairs)
}

/// A server in this process for each reward model, one after the other. What is told in words is asked of each: it knows which
/// dimensions there are, and what was answered already is not asked again.
fn ask_here(
    run: &mut Run,
    args: &EvalArgs,
    settings: &Settings,
    environment: &Environment,
    pairs: &[Pair],
) -> anyhow::Result<()> {
    let (rewarded, told): (Vec<Method>, Vec<Method>) =
        args.steering().into_iter().partition(|method| matches!(method, Method::Pad(_)));
    let mut turns: Vec<(RewardSettings, Vec<Method>)> = rewarded
        .into_iter()
        .map(|method| {
            let reward = match &method {
                Method::Pad(Some(folder)) => RewardSettings::Path(folder.into()),
                _ => settings.reward.clone(),
            };
            (reward, told.iter().cloned().chain([method]).collect())
        })
        .collect();
    if turns.is_empty() {
        turns.push((settings.reward.clone(), told));
    }
    for (reward, methods) in turns {
        let folder = match &reward {
            RewardSettings::Path(path) => Some(path.clone()),
            _ => None,
        };
        let local = LocalServer::start(&Settings { reward, ..settings.clone() }, environment)?;
        let server = Server::connect(local.url(), None, args.concurrency)?;
        ask(run, &server, &methods, &identity(&server, folder.as_deref()), pairs)?;
    }
    Ok(())
}

fn ask(run: &mut Run, server: &Server, methods: &[Method], identity: &str, pairs: &[Pair]) -> anyhow::Result<()> {
    let all: Vec<Method> = std::iter::once(Method::Base).chain(methods.iter().cloned()).collect();
    run.ask(server, &all, identity)?;
    for method in methods.iter().filter(|method| matches!(method, Method::Pad(_))) {
        run.judge(server, method, pairs)?;
    }
    Ok(())
}

/// What tells a reward model from another of the same name: its kind, its dimensions and, where it is here, its files.
fn identity(server: &Server, folder: Option<&Path>) -> String {
    let names: Vec<&str> = server.dimensions().iter().map(|dimension| dimension.name.as_str()).collect();
    let files = folder.map_or_else(String::new, |folder| format!(", files {}", crate::fingerprint::of_files(folder)));
    format!("{} ({}){files}", server.kind(), names.join(", "))
}

fn scorers(given: &[String], settings: &Settings, environment: &Environment) -> anyhow::Result<Vec<Scorer>> {
    let mut scorers = Vec::new();
    for scorer in given.iter().filter(|scorer| *scorer != "none") {
        scorers.push(if scorer == "style" {
            let home = crate::home::home(settings, environment)?;
            StyleScorer::in_folder(&home)?.scorer()
        } else {
            Scorer::new(scorer)
        });
    }
    Ok(scorers)
}
