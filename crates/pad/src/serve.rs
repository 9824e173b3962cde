//! `pad serve`: loads the models, starts the engine and serves HTTP.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use pad_decode::Bridge;
use pad_engine::{Engine, EngineConfig, HeadId, LoadedWeights, LockstepRunner, WeightsId};
use pad_hub::{HubError, Source};
use pad_model::{BLOCK, ValueHead};
use pad_reward::{RewardModel, TokenBridge};
use pad_server::{
    AllowedHosts, ApiKeys, AppState, ConnectionLimits, Defaults, Ended, Lifecycle, ModelCard, Preset, RequestLimits,
    Reward, Spans, Tls,
};
use tokio::net::{TcpSocket, lookup_host};
use tokio::sync::oneshot;

use crate::announcement::Announcement;
use crate::capacity::{Capacity, Demand};
use crate::fingerprint::fingerprint;
use crate::loading::BaseModel;
use crate::placement::{PlacedModel, Placement};
use crate::reward::RewardSource;
use crate::reward_weights::RewardWeights;
use crate::settings::{Environment, ModelSettings, Quantise, RewardSettings, ServerSettings, Settings, TlsSettings};
use crate::signals::Signals;
use crate::traces::Traces;
use crate::{api_keys, home, logging, memory, open_files, output, pull, store};

/// The server ended before all requests were answered.
#[derive(Debug, thiserror::Error)]
#[error("some answers were interrupted when the server stopped")]
pub struct Interrupted;

/// How long tasks may take to end once serving is over.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, and then until running requests are answered.
///
/// # Errors
///
/// [`Interrupted`] when some of them were not. When the model cannot be loaded or the address cannot be listened on.
pub fn run(settings: &Settings, environment: &Environment) -> anyhow::Result<()> {
    logging::start(&settings.log)?;
    for variable in environment.ignored() {
        tracing::warn!(variable, "ignored an unknown environment variable; settings are named PAD_SECTION__KEY");
    }
    let traces = Traces::start(&settings.traces)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(settings, environment, traces.as_ref().map(Traces::spans)));
    runtime.shutdown_timeout(LAST_TASKS);
    // All requests are over, and all spans there.
    if let Some(traces) = traces {
        traces.finish();
    }
    served
}

async fn serve(settings: &Settings, environment: &Environment, spans: Option<Spans>) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    // Whatever can be wrong is found before the model is loaded, which takes a while. The address is taken as well: nobody can
    // connect until it listens.
    let keys = api_keys::keys(&settings.server)?;
    let tls = tls(&settings.server.tls)?;
    let connections = open_files::connections(settings.server.max_connections)?;
    let socket = bind(&settings.server).await?;
    let hosts = settings.server.hosts(socket.local_addr()?.ip(), !keys.open());
    let store = store::open(settings, environment).await?;
    let (mut state, capacity, computing) = tokio::select! {
        assembled = assemble(settings.clone(), environment.clone(), keys) => assembled?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before the model was loaded");
            return Ok(());
        }
    };
    state.hosts = hosts;
    state.spans = spans;
    state.store.clone_from(&store);
    state.limits.connections = connections;
    let listener = socket.listen(1024)?;
    let announced =
        announcement(&state, &capacity, &computing, &settings.model).text(listener.local_addr()?, &settings.server);
    // It serves whether or not somebody reads that.
    let _ = output::print(announced);
    let (stop, stopped) = oneshot::channel();
    let engine = state.engine.clone();
    let worker = state.engine.clone();
    let shutdown = async move {
        tokio::select! {
            // An error would mean that the sender is gone, which ends serving as well.
            _ = stopped => {}
            () = worker.stopped() => {}
        }
    };
    let ended = pad_server::run(listener, tls, state, shutdown, signals.stop_twice(stop)).await;
    if let Some(store) = store {
        store.close().await;
    }
    // A supervisor starts the process again.
    ensure!(engine.status().ready, "the engine's worker stopped after repeated internal errors; see the log");
    match ended {
        Ended::Complete => Ok(()),
        Ended::Interrupted => Err(Interrupted.into()),
    }
}

/// What is said of the server once it runs.
fn announcement(state: &AppState, capacity: &Capacity, computing: &str, settings: &ModelSettings) -> Announcement {
    let reward = state.reward.as_ref();
    let dimensions = reward.map_or(&[][..], |reward| reward.model.dimensions());
    let dtype = settings.dtype.name();
    let quantise = match settings.quantise {
        Quantise::Auto => String::new(),
        set => format!(", quantise {}", set.name()),
    };
    Announcement {
        model: state.model.id.clone(),
        weights: format!("{}, {}", state.model.family, state.model.format),
        computing: format!("{computing}, dtype {dtype}{quantise}"),
        reward: reward.map(|reward| reward.model.manifest().kind.name().to_owned()),
        dimensions: dimensions.iter().map(|dimension| dimension.name.clone()).collect(),
        context: capacity.context_in_words(),
        cache: capacity.cache_in_words(),
    }
}

/// Binds the first address of the host that can be had.
async fn bind(settings: &ServerSettings) -> anyhow::Result<TcpSocket> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let context = || format!("cannot listen on {host}:{port} (server.host, server.port)");
    let mut last = None;
    for address in lookup_host((host, port)).await.with_context(context)? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Ok(()) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| std::io::Error::other("the host has no address"));
    Err(error).with_context(context)
}

/// The certificate, where the settings name one.
fn tls(settings: &TlsSettings) -> anyhow::Result<Option<Tls>> {
    if !settings.on() {
        return Ok(None);
    }
    let read = |key: &str, path: &str| std::fs::read(path).with_context(|| format!("server.tls.{key}, {path}"));
    let (certificate, key) = (read("certificate", &settings.certificate)?, read("key", &settings.key)?);
    Ok(Some(Tls::from_pem(&certificate, &key).context("server.tls")?))
}

/// Loads the models and starts the engine, on a thread that may block.
async fn assemble(
    settings: Settings,
    environment: Environment,
    keys: ApiKeys,
) -> anyhow::Result<(AppState, Capacity, String)> {
    tokio::task::spawn_blocking(move || app_state(&settings, &environment, keys)).await?
}

/// Loads the models and starts the engine: all that the server's app needs, and how much fits. Nothing is stored.
///
/// # Errors
///
/// When a model cannot be loaded, or the cache has no room.
pub fn app_state(
    settings: &Settings,
    environment: &Environment,
    keys: ApiKeys,
) -> anyhow::Result<(AppState, Capacity, String)> {
    let mut reward = RewardSource::resolve(&settings.reward)?;
    let placement = Placement::of(settings)?;
    let failed = |source: &Source, error: &HubError| {
        tracing::warn!(%source, %error, "this source does not give the model; the next one is tried");
    };
    let files = pull::base_model(settings, environment, failed)?;
    let mut base = BaseModel::load(&files, &placement, settings.model.quantise)?;
    if matches!(settings.reward, RewardSettings::Auto(_))
        && let Some(shipped) = RewardSource::shipped(&base, &home::home(settings, environment)?)?
    {
        reward = Some(shipped);
    }
    let hub = pull::hub(settings, environment)?;
    let weights = match &reward {
        Some(reward) => RewardWeights::load(reward, &hub, &mut base, &placement)?,
        None => RewardWeights::default(),
    };
    let BaseModel { model, chat, family, format, .. } = base;
    let chats = weights.across.iter().map(|across| across.as_ref().map(|across| across.chat.clone())).collect();
    let reward = reward.map(|reward| served_reward(reward.into_model(chats), &weights));
    let (engine, capacity) = start_engine(settings, model, reward.is_some(), weights)?;
    let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let state = AppState {
        model: ModelCard {
            id: settings.model.served_name(),
            aliases: settings.model.aliases.clone(),
            presets: presets(&settings.model)?,
            family,
            format,
            created,
            fingerprint: fingerprint(settings),
        },
        chat: Arc::new(chat.with_special_tokens_in_text(settings.model.special_tokens_in_text)),
        reward,
        engine,
        store: None,
        profiles: settings.profiles.into(),
        defaults: Defaults {
            temperature: settings.defaults.temperature,
            top_p: settings.defaults.top_p,
            max_tokens: Some(settings.defaults.max_tokens).filter(|tokens| *tokens > 0),
            parallel_calls: settings.defaults.parallel_tool_calls,
        },
        keys: if settings.engine.shared_prefix_cache { keys.sharing_prefixes() } else { keys },
        limits: RequestLimits {
            body_bytes: settings.server.body_limit.0 as usize,
            body_time: Duration::from_secs(settings.server.body_seconds),
            head_bytes: settings.server.head_limit.0 as usize,
            head_time: Duration::from_secs(settings.server.head_seconds),
            write_time: Duration::from_secs(settings.server.write_seconds),
            connections: ConnectionLimits::default(),
            answer: settings.server.answer(),
            choices: settings.server.max_choices,
            strict_max_tokens: settings.server.strict_max_tokens,
            keep_alive: settings.server.keep_alive(),
            lame_duck: Duration::from_secs(settings.server.lame_duck_seconds),
            drain: settings.server.drain(),
            responses_kept: settings.store.responses_kept(),
            grammars: settings.grammar.budget(),
        },
        origins: settings.server.origins().unwrap_or_default(),
        hosts: AllowedHosts::any(),
        page: settings.server.page,
        open_metrics: settings.server.open_metrics,
        spans: None,
        lifecycle: Lifecycle::default(),
    };
    state.check_preferences().map_err(anyhow::Error::msg)?;
    Ok((state, capacity, placement.in_words()))
}

/// The names that stand for the model with a preference of their own.
fn presets(settings: &ModelSettings) -> anyhow::Result<Vec<Preset>> {
    let preset = |(name, preference): (&String, &serde_json::Value)| {
        Preset::new(name, preference).map_err(|why| anyhow::anyhow!("model.presets.{name}: {why}"))
    };
    settings.presets.iter().map(preset).collect()
}

/// Where the lanes of the reward model run: the engine holds the weights that it brings after the base model's.
fn served_reward(model: Arc<RewardModel>, weights: &RewardWeights) -> Reward {
    Reward {
        model,
        weights: (1..=weights.models.len()).map(WeightsId).collect(),
        adapters: weights.adapters.clone(),
        heads: (0..weights.heads.len()).map(HeadId).collect(),
    }
}

/// Refuses a KV cache that this machine cannot hold: an allocation that fails later would end the process without a word.
fn check_memory(blocks: usize, bytes_per_block: usize) -> anyhow::Result<()> {
    let fits =
        blocks.checked_mul(bytes_per_block).is_some_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    ensure!(
        fits,
        "engine.kv_memory (or engine.kv_positions) is too large: {blocks} blocks of {bytes_per_block} bytes do not fit the memory"
    );
    Ok(())
}

/// Gives each set of weights its KV cache and starts the worker.
fn start_engine(
    settings: &Settings,
    base: PlacedModel,
    steered: bool,
    reward: RewardWeights,
) -> anyhow::Result<(Engine, Capacity)> {
    // Reward lanes run through the base model's weights where the reward model brings adapters, or nothing.
    let beside = match (steered, reward.models.is_empty(), reward.adapters.len()) {
        (true, true, 0) => usize::from(reward.heads.is_empty()),
        (true, true, adapters) => adapters,
        _ => 0,
    };
    // Value heads are of the model that the reward model brings, if it brings one.
    let (of_base, of_own) =
        if reward.models.is_empty() { (reward.heads, Vec::new()) } else { (Vec::new(), reward.heads) };
    let own = reward.models.into_iter().zip(std::iter::once(of_own).chain(std::iter::repeat_with(Vec::new)));
    let mut models: Vec<_> = std::iter::once((base, of_base)).chain(own).collect();
    let demand = Demand {
        bytes_per_position: models.iter().map(|(model, _)| model.kv_bytes_per_position()).sum(),
        longest: models.iter().map(|(model, _)| model.config().context).min().unwrap_or(0),
        lanes: 1 + beside,
    };
    let on_device = !matches!(models[0].0, PlacedModel::Cpu(_));
    let available = if on_device { models[0].0.free_on_device() } else { memory::available() };
    let capacity = Capacity::of(&settings.engine, settings.model.context, demand, available)?;
    if !on_device {
        check_memory(capacity.blocks, demand.bytes_per_position * BLOCK)?;
    }
    tracing::info!("context: {}; KV cache: {}", capacity.context_in_words(), capacity.cache_in_words());
    let bridges =
        std::iter::once(None).chain(reward.across.into_iter().map(|across| across.map(|across| across.bridge)));
    let loaded = |((model, heads), bridge): ((PlacedModel, Vec<ValueHead>), Option<Arc<TokenBridge>>)| {
        model.with_cache(heads, capacity.blocks, bridge.map(|bridge| bridge as Arc<dyn Bridge>))
    };
    let weights: anyhow::Result<Vec<LoadedWeights>> =
        models.into_iter().zip(bridges.chain(std::iter::repeat(None))).map(loaded).collect();
    let config = EngineConfig {
        max_sequences: settings.engine.max_sequences,
        queue: settings.engine.queue,
        step_rows: settings.engine.token_budget,
        context: capacity.context,
    };
    Ok((Engine::start(LockstepRunner::new(weights?)?, config)?, capacity))
}
