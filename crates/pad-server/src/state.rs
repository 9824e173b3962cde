//! The state of the server: the model, the reward model, the engine, and the settings of requests.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pad_engine::{AdapterId, Engine, HeadId, WeightsId};
use pad_grammar::{Budget, Grammars};
use pad_reward::RewardModel;
use pad_store::Store;
use pad_text::Chat;

use crate::connection::ConnectionLimits;
use crate::generation::guidance::Guidance;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::profiles::dimensions::LearnedDimensions;
use crate::profiles::population_cache::PopulationCache;
use crate::unknown_fields::UnknownFields;
use crate::{AllowedHosts, ApiError, ApiKeys, Origins, Preset, Spans};

/// Everything that [`crate::app`] needs.
#[derive(Clone)]
pub struct AppState {
    /// The served model's names.
    pub model: ModelCard,
    /// Its tokenizer and chat template.
    pub chat: Arc<Chat>,
    /// The reward model; none means that nothing is steered and a preference is an error.
    pub reward: Option<Reward>,
    /// Where tokens are made.
    pub engine: Engine,
    /// What outlives requests: profiles and responses; none: nothing does.
    pub store: Option<Store>,
    /// How stored profiles apply, and what they are learned from.
    pub profiles: ProfileRules,
    /// What requests leave open.
    pub defaults: Defaults,
    /// Who is let in.
    pub keys: ApiKeys,
    /// How much a request may be.
    pub limits: RequestLimits,
    /// Web pages that may use the server from a browser.
    pub origins: Origins,
    /// Host names of the server.
    pub hosts: AllowedHosts,
    /// Whether there is a page at `/`.
    pub page: bool,
    /// Whether `/metrics` needs no key, as `/health` does not.
    pub open_metrics: bool,
    /// Where the spans of requests go; none: nothing is recorded.
    pub spans: Option<Spans>,
    /// Whether it serves, or ends.
    pub lifecycle: Lifecycle,
}

impl AppState {
    /// How a request that says nothing of it is steered.
    pub(crate) fn guidance(&self) -> Guidance {
        self.reward.as_ref().map_or_else(Guidance::default, |reward| reward.model.manifest().into())
    }
}

/// The served model's names.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCard {
    /// The name in responses and in `GET /v1/models`.
    pub id: String,
    /// Further names that requests may use.
    pub aliases: Vec<String>,
    /// The family, as its files name it.
    pub family: String,
    /// The number format of most of its weights.
    pub format: String,
    /// When it was loaded, in seconds since 1970.
    pub created: u64,
    /// Names that stand for the model with a preference of their own.
    pub presets: Vec<Preset>,
    /// `system_fingerprint` of responses: names the version and settings that decide what is generated.
    pub fingerprint: String,
}

impl ModelCard {
    /// Whether `name` names this model.
    pub fn answers_to(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name) || self.preset(name).is_some()
    }

    /// The preset of this name.
    pub(crate) fn preset(&self, name: &str) -> Option<&Preset> {
        self.presets.iter().find(|preset| preset.name == name)
    }

    /// Refuse a name that is another model's; no name, or an empty one, means this one.
    ///
    /// # Errors
    /// 404 with the name and this model's id.
    pub(crate) fn check_name(&self, name: Option<&str>) -> Result<(), ApiError> {
        match name {
            Some(name) if !name.is_empty() && !self.answers_to(name) => Err(ApiError::model_not_found(name, &self.id)),
            _ => Ok(()),
        }
    }
}

/// The reward model, and what its own lanes run through in the engine.
#[derive(Clone, Debug)]
pub struct Reward {
    /// Dimensions, principles, prompts.
    pub model: Arc<RewardModel>,
    /// Weights that it brings beside the base model's, in its own order.
    pub weights: Vec<WeightsId>,
    /// The adapters that it brings, each of the weights that it is for, in its own order.
    pub adapters: Vec<AdapterId>,
    /// Its value heads, in its own order: one of a checkpoint, one for each dimension of trained heads.
    pub heads: Vec<HeadId>,
}

impl Reward {
    /// A reward model that is the base model under another prompt.
    pub fn prompted(model: Arc<RewardModel>) -> Self {
        Self { model, weights: Vec::new(), adapters: Vec::new(), heads: Vec::new() }
    }
}

/// What is used where a request says nothing. Guidance has its defaults in the reward model's manifest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// Sampling temperature.
    pub temperature: f32,
    /// Nucleus.
    pub top_p: f32,
    /// Tokens to generate; none means as many as fit.
    pub max_tokens: Option<usize>,
    /// Whether one answer may call tools several times.
    pub parallel_calls: bool,
}

impl Default for Defaults {
    /// OpenAI's defaults.
    fn default() -> Self {
        Self { temperature: 1.0, top_p: 1.0, max_tokens: None, parallel_calls: true }
    }
}

/// How stored profiles apply, and what they are learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProfileRules {
    /// Whether the profile that is named as a request's `user` applies to it.
    pub bind_user: bool,
    /// Chosen answers of the profile that are put into the prompt as examples.
    pub in_context: usize,
    /// Whether what others of the same key prefer is the prior of a profile.
    pub population_prior: bool,
}

/// How much a request may be, and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// How long a body may take to come.
    pub body_time: Duration,
    /// How long an answer may take from its admission on; then it ends as if it were long enough. None: as long as it takes.
    pub answer: Option<Duration>,
    /// How long the head of a request may take to come, and a connection may be idle.
    pub head_time: Duration,
    /// How long a client may take nothing of an answer that is there for it; then it is let go.
    pub write_time: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Connections at once.
    pub connections: ConnectionLimits,
    /// Choices of one request (`n`).
    pub choices: usize,
    /// Refuse an answer that is longer than what fits, in place of cutting it.
    pub strict_max_tokens: bool,
    /// A stream that is silent for this long gets a comment, so that nothing between takes it for dead.
    pub keep_alive: Duration,
    /// How long requests are still taken, while `/ready` says that this ends, after the shutdown began.
    pub lame_duck: Duration,
    /// How long running streams may take to finish after that.
    pub drain: Duration,
    /// How long responses are stored, so that others can follow them.
    pub responses_kept: Duration,
    /// What forms of answers may cost.
    pub grammars: Budget,
}

impl Default for RequestLimits {
    fn default() -> Self {
        let (keep_alive, drain) = (Duration::from_secs(15), Duration::from_mins(5));
        let (body_time, head_time) = (Duration::from_mins(1), Duration::from_mins(1));
        let (body_bytes, head_bytes) = (4 << 20, 64 << 10);
        Self {
            body_bytes,
            body_time,
            answer: None,
            head_time,
            write_time: Duration::from_mins(1),
            head_bytes,
            connections: ConnectionLimits::default(),
            choices: 16,
            strict_max_tokens: false,
            keep_alive,
            lame_duck: Duration::ZERO,
            drain,
            responses_kept: Duration::from_hours(30 * 24),
            grammars: Budget::default(),
        }
    }
}

/// The state that handlers share: the given one, and what accumulates.
pub(crate) struct Shared {
    pub(crate) state: AppState,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) unknown_fields: UnknownFields,
    /// The `OpenAPI` document's text.
    pub(crate) document: OnceLock<String>,
    /// Forms of answers, over the model's vocabulary.
    pub(crate) grammars: Grammars,
    /// What users prefer, as the prior of others.
    pub(crate) populations: PopulationCache,
    /// The dimensions that profiles are learned in, once somebody asked for them.
    pub(crate) learned_dimensions: OnceLock<Arc<LearnedDimensions>>,
}

impl Shared {
    pub(crate) fn new(state: AppState) -> Self {
        let metrics = Arc::new(Metrics::new(&state.model.id));
        let grammars = Grammars::new(Arc::clone(state.chat.tokenizer()), state.limits.grammars);
        Self {
            state,
            metrics,
            unknown_fields: UnknownFields::default(),
            document: OnceLock::new(),
            grammars,
            populations: PopulationCache::default(),
            learned_dimensions: OnceLock::new(),
        }
    }

    /// What outlives requests.
    ///
    /// # Errors
    /// 404 if this server stores nothing.
    pub(crate) fn store(&self) -> Result<&Store, ApiError> {
        self.state.store.as_ref().ok_or_else(ApiError::nothing_stored)
    }
}
