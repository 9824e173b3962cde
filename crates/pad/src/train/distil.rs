//! `pad train --distil`: from prompts to heads, by way of the answers of a server whose reward model is prompted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use pad_client::{Client, Connections, DimensionInfo};
use pad_pairs::{Output, Prompt, Questions, TracePlan, make_traces, own_prompts};
use pad_train::{Base, DistilRecord, DistilSettings, DistilledDimension, Distiller, Unembedding, Verbosity};

use super::flags::TrainArgs;
use super::watch;
use crate::loading::{BaseModel, path};
use crate::local_server::AskedServer;
use crate::placement::{self, Placement};
use crate::settings::{Environment, Settings};
use crate::{loading, output, pairs, pull};

/// Time limit of a request; on a small machine answers wait for each other.
const PATIENCE: Duration = Duration::from_mins(30);

/// Tokens of an answer, if the flags do not say: openings and the sentences after them.
const MAX_TOKENS: usize = 48;

/// Prompts that the model makes itself where no file has any.
const OWN_PROMPTS: usize = 250;

/// Answers prompts with steered answers, fits heads to their rewards, and writes the folder.
///
/// # Errors
///
/// What the settings, the hub, the server, the files or the fit refuse.
pub fn run(args: &TrainArgs, environment: &Environment) -> anyhow::Result<()> {
    let started = Instant::now();
    let fitting = settings(args);
    fitting.check()?;
    let checkpoint = args.out.join("checkpoint");
    ensure!(
        args.resume || !checkpoint.exists(),
        "{} exists: --resume goes on from it; remove it to start anew",
        checkpoint.display()
    );
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let mut layer = args.layer();
    layer.set("reward", "pad train --distil", "prompted");
    layer.set("log.level", "pad train --distil", "warn");
    let mut settings = Settings::load(None, environment, layer)?;
    let stopped = Arc::new(AtomicBool::new(false));
    watch(Arc::clone(&stopped))?;
    let stop = || stopped.load(Ordering::Relaxed);
    let traces = args.out.join("traces.jsonl");
    let mut output = Output::open(&traces)?;
    // Before the server, so that a wrong model is named first.
    let files = pull::base_model(&settings, environment, pull::on_terminal)?;
    let dimensions = collect(args, &settings, environment, fitting.seed, &mut output, &stop)?;

    pad_model::work_alone();
    settings.model.threads = args.threads;
    let threads = placement::threads(&settings.model);
    let served = BaseModel::load(&files, &Placement::cpu(&settings), settings.model.quantise)?;
    let unembedding = Unembedding::load(pad_model::open(path(&files))?.as_mut())?;
    let traces = pad_train::read_traces(&traces)?;
    let distiller =
        Distiller::new(fitting, served.model.on_cpu()?, &unembedding, &served.chat, traces, threads, Verbosity::Told)?;
    let ([prompts, prompts_out], [tokens, tokens_out]) = (distiller.prompts(), distiller.tokens());
    output::remark(format_args!(
        "{threads} threads; {prompts} prompts, {tokens} tokens; held out: {prompts_out} prompts, {tokens_out} tokens"
    ));
    let Some(distilled) = distiller.run(&checkpoint, args.resume && checkpoint.exists(), &stop)? else {
        let goes_on = if checkpoint.exists() { "--resume goes on" } else { "the same command goes on with its traces" };
        bail!("stopped; {goes_on}");
    };
    for (d, name) in distilled.dimensions.iter().enumerate() {
        let told = distilled.fidelity.get(d).map_or_else(String::new, |fidelity| {
            format!(", held-out R2 {:.3}, correlation {:.3}", fidelity.variance, fidelity.correlation)
        });
        output::remark(format_args!("{name}: strength {:.2}{told}", distilled.strengths[d]));
    }
    let name = settings.model.served_name();
    let record = DistilRecord { source: name.clone(), seconds: started.elapsed().as_secs() };
    let base = Base { name, sha256: loading::weights_checksum(path(&files))? };
    pad_train::write_distilled(&args.out, &distiller, &distilled, &base, &dimensions, &record)?;
    pad_train::remove_checkpoint(&checkpoint)?;
    Ok(output::print(format_args!("{}\n", args.out.display()))?)
}

/// The defaults, overridden by the flags.
fn settings(args: &TrainArgs) -> DistilSettings {
    let default = DistilSettings::default();
    DistilSettings {
        head_rank: args.head_rank.unwrap_or(default.head_rank),
        epochs: args.epochs.unwrap_or(default.epochs),
        lr: args.lr.unwrap_or(default.lr),
        batch: args.batch.unwrap_or(default.batch),
        warmup: args.warmup.unwrap_or(default.warmup),
        weight_decay: args.weight_decay.unwrap_or(default.weight_decay),
        held_out_share: args.distil.held_out_share.unwrap_or(default.held_out_share),
        top_k: args.top_k.unwrap_or(default.top_k),
        rows: args.rows.unwrap_or(default.rows),
        checkpoint_steps: args.checkpoint_steps.unwrap_or(default.checkpoint_steps),
        seed: args.seed.unwrap_or(default.seed),
    }
}

/// Adds the traces of all prompts that the file lacks; returns the dimensions, in the order of their rewards.
fn collect(
    args: &TrainArgs,
    settings: &Settings,
    environment: &Environment,
    seed: u64,
    output: &mut Output,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<Vec<DistilledDimension>> {
    let flags = &args.distil;
    let server = AskedServer::at(flags.server.as_deref(), settings, environment)?;
    let url = server.url();
    let client = Client::new(url, None, Connections { most: flags.concurrency, timeout: PATIENCE })?;
    let served = client.preferences()?;
    ensure!(
        served.kind == "prompted",
        "{url}: its reward model is of kind `{}`; heads are distilled from the prompted kind",
        served.kind
    );
    let dimensions = with_opposites(&served.data, &flags.dimensions)?;
    let prompts = prompts(args, &client, seed)?;
    let plan = TracePlan {
        dimensions: dimensions.iter().map(|dimension| dimension.name.clone()).collect(),
        answers: flags.answers,
        max_tokens: args.max_answer_tokens.unwrap_or(MAX_TOKENS),
        temperature: flags.temperature,
        seed,
        in_flight: flags.concurrency,
    };
    let bar = pairs::bar(prompts.len());
    make_traces(&plan, &client, &prompts, output, |done, todo| {
        bar.set_length(todo as u64);
        bar.set_position(done as u64);
        !stop()
    })?;
    bar.finish_and_clear();
    if stop() {
        bail!("stopped; the same command goes on with the prompts that are left");
    }
    Ok(told(dimensions, served.data))
}

/// The dimensions that get heads, and behind them the server's others, which stay prompted. Ranges were measured on prompted lanes.
fn told(distilled: Vec<DimensionInfo>, served: Vec<DimensionInfo>) -> Vec<DistilledDimension> {
    let has_head = |name: &str| distilled.iter().any(|info| info.name == name);
    let others: Vec<DimensionInfo> = served.into_iter().filter(|info| !has_head(&info.name)).collect();
    let dimension = |info: DimensionInfo, prompted: bool| {
        let DimensionInfo { name, description, principle, opposite, recommended, .. } = info;
        let recommended = recommended.filter(|_| prompted).map(|range| [range.minimum, range.maximum]);
        DistilledDimension { name, description, principle, opposite, prompted, recommended }
    };
    let with_heads = distilled.into_iter().map(|info| dimension(info, false));
    with_heads.chain(others.into_iter().map(|info| dimension(info, true))).collect()
}

/// The dimensions of these names, all if there are none, each with the one whose principle is its opposite: weights below 0 use its head.
fn with_opposites(served: &[DimensionInfo], names: &[String]) -> anyhow::Result<Vec<DimensionInfo>> {
    let all = || served.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
    for name in names {
        ensure!(
            served.iter().any(|info| info.name == *name),
            "--dimensions: {name:?} is not among those of the server: {}",
            all()
        );
    }
    let named = |info: &DimensionInfo| names.is_empty() || names.contains(&info.name);
    let wanted = |info: &DimensionInfo| {
        named(info) || served.iter().any(|other| named(other) && other.opposite.as_ref() == Some(&info.principle))
    };
    Ok(served.iter().filter(|info| wanted(info)).cloned().collect())
}

/// The prompts of the file and the generated ones, without those that are to be avoided.
fn prompts(args: &TrainArgs, client: &Client, seed: u64) -> anyhow::Result<Vec<Prompt>> {
    let flags = &args.distil;
    let mut prompts = flags.prompts.as_deref().map(Prompt::read).transpose()?.unwrap_or_default();
    let own = flags.own_prompts.or_else(|| flags.prompts.is_none().then_some(OWN_PROMPTS));
    if let Some(count) = own {
        let mut questions = Questions::open(&args.out.join("questions.jsonl"), seed)?;
        prompts.extend(own_prompts(client, count, flags.concurrency, &mut questions)?);
    }
    pairs::without_avoided(&mut prompts, &flags.avoid)?;
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(name: &str, principle: &str, opposite: Option<&str>) -> DimensionInfo {
        let told = serde_json::json!({"name": name, "description": null, "principle": principle, "opposite": opposite,
            "weight": {"minimum": -2.0, "maximum": 2.0}});
        serde_json::from_value(told).unwrap()
    }

    #[test]
    fn opposites_come_with_their_dimensions() {
        let served = [
            dimension("concise", "short", Some("long")),
            dimension("detailed", "long", Some("short")),
            dimension("formal", "formal", Some("casual")),
            dimension("humor", "humor", None),
        ];
        let names = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
            with_opposites(&served, &given).map(|all| all.into_iter().map(|info| info.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["concise"]).unwrap(), ["concise", "detailed"]);
        assert_eq!(names(&["humor", "formal"]).unwrap(), ["formal", "humor"]);
        assert_eq!(names(&[]).unwrap().len(), 4);
        let message = names(&["brief"]).unwrap_err().to_string();
        assert!(message.contains("\"brief\"") && message.contains("concise, detailed"), "{message}");
    }
}
