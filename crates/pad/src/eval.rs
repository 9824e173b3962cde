//! `pad eval`: measures how far steering goes, and what it costs.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use pad_eval::{
    Beta, Choice, Decoding, Guidance, Judge, Method, OtherRun, Pad, Pair, Plan, Preset, Run, Scales, Scorer, Server,
    Sheet, Summary, Terms, judged, read_pairs, read_preferences, read_prompts, thinned,
};

use crate::flags::Flags;
use crate::local_server::LocalServer;
use crate::settings::{Environment, RewardSettings, Settings};
use crate::shipped_scorer::ShippedScorer;
use crate::{logging, output};

/// The default arms.
const METHODS: [&str; 2] = ["told:user", "pad"];

/// The default weights.
const WEIGHTS: [f64; 5] = [-1.0, 0.0, 0.5, 1.0, 2.0];

/// The default seeds.
const SEEDS: [u64; 3] = [1, 2, 3];

/// The default temperature.
const TEMPERATURE: f64 = 0.7;

/// The default for the maximum number of tokens of an answer.
const TOKENS: usize = 128;

/// What to evaluate.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    flags: Flags,
    /// Prompts: a JSON array or one JSON value per line, each a text, {"prompt"} or {"messages"}
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// Folder for the results; an interrupted run continues where it stopped
    #[arg(long, value_name = "DIR", default_value = "eval")]
    out: PathBuf,
    /// Arms in addition to the base model: told:system or told:user (an instruction in that turn), examples (in the context), pad (the reward
    /// model of the settings or the server), pad:FOLDER (another reward model), told:user+pad (both) [default: told:user,pad]
    #[arg(long, value_delimiter = ',')]
    methods: Vec<Method>,
    /// Defaults for flags that are not given: `paper`, the tables of the PAD paper
    #[arg(long, value_name = "NAME", conflicts_with_all = ["dimensions", "front", "mix", "preferences", "weights"])]
    preset: Option<String>,
    /// Dimensions to steer [default: all of the reward model's that have a score]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    dimensions: Vec<String>,
    /// Weights of each dimension; 0 is the base model's own answer [default: -1,0,0.5,1,2]
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    weights: Vec<f64>,
    /// Two dimensions to steer together, joined by +, or `none`; repeatable [default: the first two]
    #[arg(long, value_name = "ONE+OTHER")]
    front: Vec<String>,
    /// Dimensions at weight 1 each, joined by +; repeatable
    #[arg(long, value_name = "ONE+OTHER+...")]
    mix: Vec<String>,
    /// Preferences instead of the grid: JSON objects, in an array or one per line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dimensions", "front", "mix"])]
    preferences: Option<PathBuf>,
    /// Seeds of sampled answers [default: 1,2,3]
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Temperature of sampled answers [default: 0.7]
    #[arg(long)]
    temperature: Option<f64>,
    /// No sampled answers
    #[arg(long)]
    no_sampled: bool,
    /// No greedy answers
    #[arg(long)]
    no_greedy: bool,
    /// No perplexity: it takes another reading of every answer
    #[arg(long)]
    no_perplexity: bool,
    /// Maximum number of tokens of an answer [default: 128]
    #[arg(long)]
    tokens: Option<usize>,
    /// Guidance strengths, one arm each [default: the reward model's]
    #[arg(long, value_delimiter = ',')]
    beta: Vec<Beta>,
    /// Numbers of candidates, one arm each [default: the reward model's]
    #[arg(long, value_delimiter = ',', value_name = "K")]
    top_k: Vec<u32>,
    /// A command that reads answers and writes scores, `style` or `relevance` (they need python3 with pip), or `none`;
    /// repeatable
    #[arg(long, value_name = "COMMAND", default_values = ["style", "relevance"])]
    scorer: Vec<String>,
    /// Judge that compares steered answers with the others: a command, or the URL of a chat server
    #[arg(long, value_name = "COMMAND|URL")]
    judge: Option<String>,
    /// Key to send to the judge
    #[arg(long, value_name = "KEY", requires = "judge")]
    judge_key: Option<String>,
    /// Folder of another run, of another model for example, that the report shows beside this one; repeatable
    #[arg(long, value_name = "DIR")]
    beside: Vec<PathBuf>,
    /// File that assigns scores and instructions to dimensions; adds to the shipped scales
    #[arg(long, value_name = "FILE")]
    scales: Option<PathBuf>,
    /// Held-out pairs that the reward models should rank correctly (JSONL, or JSONL.gz); repeatable
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pairs: Vec<PathBuf>,
    /// Maximum number of pairs per dimension
    #[arg(long, value_name = "N", default_value_t = 200)]
    most_pairs: usize,
    /// Use only the first N prompts
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// URL of a running server to use instead of starting one; `--api-key` is then the key to send
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Number of concurrent requests
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
}

/// Evaluates, prints the table, and writes the report.
///
/// # Errors
///
/// When a file cannot be read, a model cannot be loaded, a server does not answer or a scorer fails.
pub fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let file = args.flags.file.path(&environment);
    let mut settings = Settings::load(file.as_deref(), &environment, args.flags.layer())?;
    // The progress bars say what happens.
    if args.flags.log().is_none() {
        "warn".clone_into(&mut settings.log.level);
    }
    logging::start(&settings.log)?;
    ensure!(args.concurrency >= 1, "--concurrency must be at least 1");
    let mut scales = Scales::shipped()?;
    if let Some(path) = &args.scales {
        scales = Scales::read(path)?;
    }
    // Before the long part, so that errors in them are reported at once.
    let scorers = scorers(&args.scorer, &settings, &environment)?;
    let mut pairs = Vec::new();
    for path in &args.pairs {
        pairs.extend(read_pairs(path)?);
    }
    let pairs = thinned(pairs, args.most_pairs);
    let others = args.beside.iter().map(|folder| OtherRun::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let judge = args.judge.as_deref().map(|judge| Judge::new(judge, args.judge_key.as_deref(), args.concurrency));
    let judge = judge.transpose()?;
    let preset = args.preset.as_deref().map(Preset::named).transpose()?;
    let methods = args.steering(preset.as_ref())?;
    let mut run = Run::open(&args.out, args.plan(preset.as_ref())?, scales)?;
    match &args.server {
        Some(url) => ask_server(&mut run, args, url, &methods, &pairs)?,
        None => ask_here(&mut run, args, &settings, &environment, &methods, &pairs)?,
    }
    let sheet = Sheet::score(&run, &scorers)?;
    let verdicts = judge.map(|judge| judged(&run, &sheet, &judge, args.concurrency)).transpose()?.unwrap_or_default();
    let summary = Summary::of(&run, &sheet, &scorers).with_verdicts(&verdicts).beside(others);
    summary.write(run.folder(), &sheet)?;
    let report = args.out.join("report.html");
    Ok(output::print(format_args!("{}\nreport: {}\n", summary.text(), report.display()))?)
}

impl EvalArgs {
    fn plan(&self, preset: Option<&Preset>) -> anyhow::Result<Plan> {
        let mut prompts = read_prompts(&self.prompts)?;
        prompts.truncate(self.limit.unwrap_or(usize::MAX));
        let choice = match (&self.preferences, preset) {
            (Some(path), _) => Choice::Given(read_preferences(path)?),
            (None, Some(preset)) => Choice::Given(preset.preferences.clone()),
            (None, None) => Choice::Grid {
                dimensions: self.dimensions.clone(),
                weights: if self.weights.is_empty() { WEIGHTS.to_vec() } else { self.weights.clone() },
                fronts: self.fronts()?,
                mixtures: self.mix.iter().map(|names| names.split('+').map(str::to_owned).collect()).collect(),
            },
        };
        let seeds: Vec<u64> = match preset {
            _ if self.no_sampled => Vec::new(),
            _ if !self.seeds.is_empty() => self.seeds.clone(),
            Some(preset) => preset.seeds.clone(),
            None => SEEDS.to_vec(),
        };
        let greedy = !self.no_greedy && preset.is_none_or(|preset| preset.greedy);
        let mut decodings: Vec<Decoding> = seeds.into_iter().map(Decoding::Seed).collect();
        decodings.extend(greedy.then_some(Decoding::Greedy));
        let terms = Terms {
            temperature: self.temperature.or(preset.map(|preset| preset.temperature)).unwrap_or(TEMPERATURE),
            max_tokens: self.tokens.or(preset.map(|preset| preset.tokens)).unwrap_or(TOKENS),
        };
        let likelihoods = !self.no_perplexity;
        Ok(Plan { prompts, choice, decodings, terms, likelihoods, threads: self.concurrency })
    }

    fn fronts(&self) -> anyhow::Result<Option<Vec<(String, String)>>> {
        if self.front.is_empty() {
            return Ok(None);
        }
        let named = self.front.iter().filter(|front| *front != "none");
        let pair = |front: &String| {
            let (one, other) = front
                .split_once('+')
                .with_context(|| format!("--front is `{front}`; allowed: two dimensions, ONE+OTHER"))?;
            Ok((one.to_owned(), other.to_owned()))
        };
        named.map(pair).collect::<anyhow::Result<_>>().map(Some)
    }

    /// The arms but base, which every run asks for; each once, in the order in which they are asked. Those that steer at the
    /// default strength are there at every strength and number of candidates that is asked for.
    fn steering(&self, preset: Option<&Preset>) -> anyhow::Result<Vec<Method>> {
        let betas = match preset {
            Some(preset) if self.beta.is_empty() => {
                preset.betas.iter().map(|beta| beta.to_string().parse()).collect::<Result<Vec<Beta>, _>>()?
            }
            _ => self.beta.clone(),
        };
        let asked = match preset {
            Some(preset) if self.methods.is_empty() => preset.methods.clone(),
            None if self.methods.is_empty() => METHODS.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
            _ => self.methods.clone(),
        };
        let guided = Guidance::grid(&betas, &self.top_k);
        let mut methods: Vec<Method> = Vec::new();
        for method in asked.into_iter().filter(|method| *method != Method::Base) {
            match method {
                Method::Pad(pad) if pad.guidance == Guidance::default() => {
                    methods
                        .extend(guided.iter().map(|guidance| Method::Pad(Pad { guidance: *guidance, ..pad.clone() })));
                }
                other => methods.push(other),
            }
        }
        methods.sort();
        methods.dedup();
        Ok(methods)
    }
}

/// Everything from one server, which has one reward model.
fn ask_server(run: &mut Run, args: &EvalArgs, url: &str, methods: &[Method], pairs: &[Pair]) -> anyhow::Result<()> {
    let server = Server::connect(url, args.flags.api_key(), args.concurrency)?;
    if let Some(other) =
        methods.iter().find(|method| method.steering().is_some_and(|steering| steering.reward.is_some()))
    {
        anyhow::bail!("`{other}` is not available with --server, which uses the server's own reward model; use `pad`");
    }
    ask(run, &server, methods, &identity(&server, None), pairs)
}

/// A server in this process for each reward model, one after the other. What is told in words is asked of each: it knows which
/// dimensions there are, and what was answered already is not asked again.
fn ask_here(
    run: &mut Run,
    args: &EvalArgs,
    settings: &Settings,
    environment: &Environment,
    methods: &[Method],
    pairs: &[Pair],
) -> anyhow::Result<()> {
    let (rewarded, told): (Vec<Method>, Vec<Method>) =
        methods.iter().cloned().partition(|method| method.steering().is_some());
    let mut turns: Vec<(RewardSettings, Vec<Method>)> = Vec::new();
    for method in rewarded {
        let folder = method.steering().and_then(|steering| steering.reward.as_ref());
        let reward = folder.map_or_else(|| settings.reward.clone(), |folder| RewardSettings::Path(folder.into()));
        match turns.iter_mut().find(|(known, _)| *known == reward) {
            Some((_, methods)) => methods.push(method),
            None => turns.push((reward, told.iter().cloned().chain([method]).collect())),
        }
    }
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
    // Rewards depend on neither strength nor instruction: they are requested from the first steering arm.
    match methods.iter().find(|method| method.steering().is_some()) {
        Some(method) => Ok(run.judge(server, method, pairs)?),
        None => Ok(()),
    }
}

/// What distinguishes a reward model from another of the same name: its kind, its dimensions and, where it is here, its files.
fn identity(server: &Server, folder: Option<&Path>) -> String {
    let names: Vec<&str> = server.dimensions().iter().map(|dimension| dimension.name.as_str()).collect();
    let files = folder.map_or_else(String::new, |folder| format!(", files {}", crate::fingerprint::of_files(folder)));
    format!("{} ({}){files}", server.kind(), names.join(", "))
}

fn scorers(given: &[String], settings: &Settings, environment: &Environment) -> anyhow::Result<Vec<Scorer>> {
    let mut scorers = Vec::new();
    for scorer in given.iter().filter(|scorer| *scorer != "none") {
        scorers.push(match ShippedScorer::named(scorer) {
            Some(shipped) => shipped.install(&crate::home::home(settings, environment)?)?,
            None => Scorer::new(scorer),
        });
    }
    Ok(scorers)
}
