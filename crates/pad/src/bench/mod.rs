//! `pad bench`: how fast the engine decodes, in this process, without HTTP.
//!
//! All cases take turns within each round, and what is reported are medians over rounds: the machine's speed drifts, and cases
//! that are measured side by side drift together.

mod decode;
mod table;

use anyhow::{Context, ensure};
use clap::Args;
use pad_engine::{Engine, EngineConfig, LoadedWeights, LockstepRunner};
use pad_model::BLOCK;

use crate::flags::Flags;
use crate::loading::{self, BaseModel};
use crate::pull;
use crate::settings::{Environment, Settings};

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    flags: Flags,
    /// Sequences decoded side by side
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 16])]
    sequences: Vec<usize>,
    /// Reward lanes of each sequence
    #[arg(long, value_delimiter = ',', default_values_t = [0, 2])]
    lanes: Vec<usize>,
    /// Tokens in each lane's prompt
    #[arg(long, default_value_t = 64)]
    prompt: usize,
    /// Tokens decoded by each sequence
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// Rounds over all cases
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// A number of sequences, each with a number of reward lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Case {
    /// Sequences side by side.
    pub sequences: usize,
    /// Reward lanes of each.
    pub lanes: usize,
}

/// What one round found of a case.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Prompt tokens read per second, all lanes together.
    pub prefill: f64,
    /// Tokens chosen per second, all sequences together.
    pub decode: f64,
    /// Share of the time that planning and committing took.
    pub scheduler: f64,
}

/// Measures and prints.
///
/// # Errors
///
/// When the model cannot be loaded, or a case fits neither context nor memory.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let file = args.flags.file.path(&environment);
    let settings = Settings::load(file.as_deref(), &environment, args.flags.layer())?;
    ensure!(
        args.tokens >= 2 && args.prompt >= 1 && args.rounds >= 1,
        "--tokens is at least 2, --prompt and --rounds 1"
    );
    let options = loading::options(&settings.model)?;
    let base = BaseModel::load(&pull::base_model(&settings, &environment)?, &options)?;
    let most = |values: &[usize]| values.iter().copied().max().unwrap_or(0);
    let (sequences, lanes) = (most(&args.sequences), most(&args.lanes));
    // One block more than the tokens fill: nothing is preempted, and nothing found in the cache.
    let per_lane = (args.prompt + args.tokens).div_ceil(BLOCK) + 1;
    let blocks = sequences * (1 + lanes) * per_lane;
    let config = EngineConfig {
        max_sequences: sequences,
        queue: 2 * sequences,
        step_rows: sequences * (1 + lanes) * args.prompt,
        context: 0,
    };
    let (threads, bytes) = (options.pool.threads(), base.model.bytes());
    let runner = LockstepRunner::new(vec![LoadedWeights::new(base.model, Vec::new(), blocks)?])?;
    let engine = Engine::start(runner, config)?;
    let cases: Vec<Case> = args
        .sequences
        .iter()
        .flat_map(|&sequences| args.lanes.iter().map(move |&lanes| Case { sequences, lanes }))
        .collect();
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); cases.len()];
    for round in 0..=args.rounds {
        for (case, figures) in cases.iter().zip(&mut rounds) {
            let found = decode::measure(&engine, *case, args.prompt, args.tokens, round as u32)
                .with_context(|| format!("{} sequences with {} reward lanes", case.sequences, case.lanes))?;
            // The first round warms caches and clocks.
            if round > 0 {
                figures.push(found);
            }
        }
    }
    let about = table::About {
        model: settings.model.served_name(),
        dtype: settings.model.dtype.name(),
        threads,
        weights_mib: bytes >> 20,
        prompt: args.prompt,
        tokens: args.tokens,
        rounds: args.rounds,
    };
    print!("{}", table::report(&about, &cases, &rounds, args.json)?);
    Ok(())
}
