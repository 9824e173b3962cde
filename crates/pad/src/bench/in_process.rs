//! The engine in this process, without HTTP.

use std::time::Instant;

use anyhow::{Context, ensure};
use pad_bench::{About, Case, Figures, Steering};
use pad_engine::{Engine, EngineConfig, LockstepRunner};
use pad_model::{BLOCK, RandomWeights, ValueHead};
use pad_reward::Kind;

use crate::flags::Flags;
use crate::loading::{self, BaseModel};
use crate::placement::{PlacedModel, Placement};
use crate::pull;
use crate::reward::RewardSource;
use crate::reward_weights::RewardWeights;
use crate::settings::{Environment, RewardSettings, Settings};

/// Maximum number of rows in a step, so that long prompts of many sequences do not need unbounded activations.
const MOST_STEP_ROWS: usize = 2048;

/// Default length of a prompt in tokens.
const PROMPT: usize = 64;

/// Candidates of a step unless a reward model sets another number.
const CANDIDATES: usize = 10;

/// Default number of decoded tokens.
const TOKENS: usize = 64;

/// What to measure in this process.
#[derive(Clone, Copy, Debug)]
pub struct InProcess<'a> {
    /// The settings' flags.
    pub flags: &'a Flags,
    /// The name of a shape whose weights are made up, in place of the model.
    pub random: Option<&'a str>,
    /// Numbers of sequences decoded together, one case each.
    pub sequences: &'a [usize],
    /// Reward lanes of each sequence, one case each.
    pub lanes: &'a [usize],
    /// Whether to repeat each case with a form.
    pub form: bool,
    /// Tokens of prompts, one case each; none for the default.
    pub prompts: &'a [usize],
    /// Tokens that each sequence decodes.
    pub tokens: Option<usize>,
    /// Rounds over all cases.
    pub rounds: usize,
    /// Report as JSON.
    pub json: bool,
}

impl InProcess<'_> {
    /// Loads the model, measures all cases and reports.
    ///
    /// # Errors
    ///
    /// When the model cannot be loaded, or a case fits neither context nor memory.
    pub fn run(&self) -> anyhow::Result<String> {
        let tokens = self.tokens.unwrap_or(TOKENS);
        ensure!(tokens >= 2, "--tokens must be at least 2: the first token is part of reading the prompt");
        ensure!(!self.sequences.contains(&0), "--sequences must be at least 1");
        let environment = Environment::of_process();
        let file = self.flags.file.path(&environment);
        let settings = Settings::load(file.as_deref(), &environment, self.flags.layer())?;
        let placement = Placement::of(&settings)?;
        let Measured { model, heads, kind, name } = match self.random {
            Some(shape) => Measured::random(shape, &placement)?,
            None => self.measured(&settings, &environment, &placement)?,
        };
        let cases = self.cases();
        let most = |of: &dyn Fn(&Case) -> usize| cases.iter().map(of).max().unwrap_or(0);
        // One block more than the tokens fill: nothing is preempted.
        let blocks = most(&|case| case.lanes() * ((case.prompt + tokens).div_ceil(BLOCK) + 1));
        let sequences = most(&|case| case.sequences);
        let config = EngineConfig {
            max_sequences: sequences,
            queue: 2 * sequences,
            step_rows: most(&Case::rows).min(MOST_STEP_ROWS),
            context: 0,
        };
        if kind.steering != Steering::Prompted {
            let most = most(&|case| case.rewards);
            ensure!(most <= heads.len(), "--lanes {most}: the reward model has {} heads", heads.len());
        }
        let (weights, kv) = (model.bytes(), blocks * BLOCK * model.kv_bytes_per_position());
        let runner = LockstepRunner::new(vec![model.with_cache(heads, blocks, None)?])?;
        let engine = Engine::start(runner, config)?;
        let rounds = measured(&engine, &cases, &kind, tokens, self.rounds)?;
        let about = About {
            model: name,
            dtype: settings.model.dtype.name(),
            threads: placement.options.pool.threads(),
            weights_mib: weights >> 20,
            kv_mib: kv >> 20,
            resident_mib: pad_bench::resident().map(|bytes| bytes >> 20),
            tokens,
            rounds: self.rounds,
        };
        Ok(pad_bench::report(&about, &cases, &rounds, self.json)?)
    }

    /// The model of the settings.
    fn measured(
        &self,
        settings: &Settings,
        environment: &Environment,
        placement: &Placement,
    ) -> anyhow::Result<Measured> {
        let files = pull::base_model(settings, environment, pull::on_terminal)?;
        let mut base = BaseModel::load(&files, placement, settings.model.quantise)?;
        let (steering, heads, candidates) = steering(settings, environment, &mut base, placement)?;
        let form = if self.form { Some(pad_bench::people(&base.chat)?) } else { None };
        let kind = pad_bench::Kind { steering, candidates, form };
        Ok(Measured { model: base.model, heads, kind, name: settings.model.served_name() })
    }

    fn cases(&self) -> Vec<Case> {
        let prompts = if self.prompts.is_empty() { &[PROMPT] } else { self.prompts };
        let mut cases = Vec::new();
        for &prompt in prompts {
            for &sequences in self.sequences {
                for &rewards in self.lanes {
                    cases.push(Case { sequences, rewards, prompt, form: false });
                    cases.extend(self.form.then_some(Case { sequences, rewards, prompt, form: true }));
                }
            }
        }
        cases
    }
}

/// What is measured.
struct Measured {
    model: PlacedModel,
    heads: Vec<ValueHead>,
    kind: pad_bench::Kind,
    name: String,
}

impl Measured {
    /// Weights of a shape that are made up, steered by prompts.
    fn random(shape: &str, placement: &Placement) -> anyhow::Result<Self> {
        let weights = RandomWeights::named(shape)
            .with_context(|| format!("--random is `{shape}`; allowed is {}", RandomWeights::names().join(", ")));
        let model = loading::load("random model", &mut weights?, placement, Instant::now())?;
        let kind = pad_bench::Kind { steering: Steering::Prompted, candidates: CANDIDATES, form: None };
        Ok(Self { model, heads: Vec::new(), kind, name: format!("random {shape}") })
    }
}

/// How the cases are steered, with which heads, and among how many candidates: as in the reward model that `--reward` names, else by
/// prompts.
fn steering(
    settings: &Settings,
    environment: &Environment,
    base: &mut BaseModel,
    placement: &Placement,
) -> anyhow::Result<(Steering, Vec<ValueHead>, usize)> {
    let RewardSettings::Path(_) = &settings.reward else { return Ok((Steering::Prompted, Vec::new(), CANDIDATES)) };
    let reward = RewardSource::resolve(&settings.reward)?.context("`--reward` names no reward model")?;
    ensure!(
        reward.model.manifest().kind == Kind::Heads,
        "--reward: only a reward model of kind `heads` can be measured"
    );
    let weights = RewardWeights::load(&reward, &pull::hub(settings, environment)?, base, placement)?;
    ensure!(weights.models.is_empty(), "--reward: only heads on the base model itself can be measured");
    Ok((Steering::Heads { adapter: weights.adapters.first().copied() }, weights.heads, reward.model.manifest().top_k()))
}

/// The figures of each case by rounds.
fn measured(
    engine: &Engine,
    cases: &[Case],
    kind: &pad_bench::Kind,
    tokens: usize,
    rounds: usize,
) -> anyhow::Result<Vec<Vec<Figures>>> {
    let mut found: Vec<Vec<Figures>> = vec![Vec::new(); cases.len()];
    for round in 0..=rounds {
        for (case, figures) in cases.iter().zip(&mut found) {
            let figure = pad_bench::measure(engine, *case, kind, tokens, round).with_context(|| {
                let Case { sequences, rewards, prompt, .. } = case;
                format!("{sequences} sequences with {rewards} reward lanes and prompts of {prompt} tokens")
            })?;
            // The first round warms caches and clocks.
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    Ok(found)
}
