//! The handle through which other crates use the engine.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{self, Sender};
use tokio::sync::watch;

use crate::choice::Choice;
use crate::constraint::Constraint;
use crate::pending::{Pending, Reply};
use crate::places::{Place, Places};
use crate::scheduler::{Scheduler, StepBounds};
use crate::sequence::Sequence;
use crate::sides::Sides;
use crate::worker::Worker;
use crate::{
    EmbedRequest, GenerateRequest, LaneSpec, Limits, Owner, Runner, ScoreRequest, Scored, Status, SubmitError,
    WeightsId,
};

/// How the engine is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Sequences that run at once.
    pub max_sequences: usize,
    /// Sequences that may run and wait together; more are refused.
    pub queue: usize,
    /// Rows per step over all lanes: decoding goes first, prompts share the rest. Also the longest chunk of a prompt.
    pub step_rows: usize,
    /// Tokens that a lane may have; 0 takes the runner's.
    pub context: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_sequences: 32, queue: 256, step_rows: 512, context: 0 }
    }
}

/// A handle to a running engine; clones are handles to the same one. The worker ends when the last is dropped.
#[derive(Clone, Debug)]
pub struct Engine {
    inbox: Sender<Sequence>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    places: Arc<Places>,
    /// Changes when the worker ends.
    life: watch::Receiver<()>,
    status: Arc<Mutex<Status>>,
    draining: AtomicBool,
    next_id: AtomicU64,
    limits: Limits,
    /// KV blocks in all, by weights.
    kv_blocks: Vec<usize>,
    /// Tokens that have an embedding.
    vocabulary: usize,
    /// The sides that lanes are on.
    sides: Sides,
}

impl Engine {
    /// Start the worker thread over a runner.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start<R: Runner + 'static>(runner: R, config: EngineConfig) -> std::io::Result<Self> {
        let context = if config.context == 0 { runner.context() } else { config.context.min(runner.context()) };
        let (kv_blocks, vocabulary) = (runner.kv_blocks(), runner.vocabulary());
        let sides = Sides::new((0..kv_blocks.len()).map(|id| runner.bridge(WeightsId(id))), &kv_blocks, context);
        let kv_positions = kv_blocks.iter().min().copied().unwrap_or(0) * pad_model::BLOCK;
        let (inbox, receiver) = mpsc::channel(config.queue.max(1));
        let status = Arc::new(Mutex::new(Status {
            ready: true,
            kv_blocks_total: kv_blocks.iter().map(|blocks| *blocks as u64).sum(),
            ..Status::default()
        }));
        let bounds = StepBounds { sequences: config.max_sequences.max(1), rows: config.step_rows.max(1) };
        let scheduler = Scheduler::new(bounds, &kv_blocks, &runner.windows());
        let (life_sender, life) = watch::channel(());
        let status_of_worker = Arc::clone(&status);
        let worker =
            Worker { runner, scheduler, inbox: receiver, status: status_of_worker, panicked: None, life: life_sender };
        std::thread::Builder::new().name("pad-engine".to_owned()).spawn(move || worker.run())?;
        let queue = config.queue.max(1);
        let shared = Shared {
            places: Arc::new(Places::new(queue)),
            life,
            status,
            draining: AtomicBool::new(false),
            next_id: AtomicU64::new(0),
            limits: Limits { context, kv_positions, queue },
            kv_blocks,
            vocabulary,
            sides,
        };
        Ok(Self { inbox, shared: Arc::new(shared) })
    }

    /// Queue a request; one [`Choice`] per choice. Never blocks. With beta 0 or only zero weights, no reward lane runs.
    ///
    /// # Errors
    /// If the request cannot be taken, now or ever; see [`SubmitError`].
    pub fn submit(&self, mut request: GenerateRequest) -> Result<Vec<Choice>, SubmitError> {
        self.check_open()?;
        request.drop_idle_lanes();
        request.check(self.shared.kv_blocks.len())?;
        self.check_room(&request.lanes, &[].into(), request.max_tokens)?;
        let start = |grammar| Constraint::start(grammar, &request.end_tokens);
        let constraint = request.grammar.take().map(start).transpose();
        let constraint = constraint.map_err(|error| SubmitError::Invalid(error.to_string()))?;
        let choices = request.choices;
        let places = self.places(request.tenant.owner, choices)?;
        let first = self.shared.next_id.fetch_add(choices as u64, Ordering::Relaxed);
        let start = |(choice, place)| {
            // Room for every event that this choice can send: the worker never waits for a client.
            let (events, receiver) = mpsc::channel(request.max_tokens + 1);
            let id = first + choice as u64;
            let sequence =
                Sequence::generating(id, choice, &request, &self.shared.sides, constraint.clone(), events, place);
            let choice = Choice::new(receiver, sequence.seat.course());
            // There are no more sequences than places, and the inbox has room for each.
            self.inbox.try_send(sequence).map_err(|_| SubmitError::Dead)?;
            Ok(choice)
        };
        places.into_iter().enumerate().map(start).collect()
    }

    /// Queue an answer to be scored. Never blocks.
    ///
    /// # Errors
    /// If the request cannot be taken, now or ever; see [`SubmitError`].
    pub fn score(&self, request: &ScoreRequest) -> Result<Pending<Scored>, SubmitError> {
        self.check_open()?;
        request.check(self.shared.kv_blocks.len())?;
        self.check_room(&request.lanes, &request.answer, request.answer.len())?;
        let sides = &self.shared.sides;
        self.enqueue(request.tenant.owner, |id, client, place| Sequence::scoring(id, request, sides, client, place))
    }

    /// Queue a text to be embedded: its embedding is `[hidden]`, of length 1. Never blocks.
    ///
    /// # Errors
    /// If the request cannot be taken, now or ever; see [`SubmitError`].
    pub fn embed(&self, request: &EmbedRequest) -> Result<Pending<Vec<f32>>, SubmitError> {
        self.check_open()?;
        request.check(self.shared.kv_blocks.len())?;
        self.check_room(&[request.lane()], &[].into(), 0)?;
        self.enqueue(request.tenant.owner, |id, client, place| Sequence::embedding(id, request, client, place))
    }

    /// Queue a sequence whose result comes as a whole.
    fn enqueue<T>(
        &self,
        owner: Option<Owner>,
        sequence: impl FnOnce(u64, Reply<T>, Place) -> Sequence,
    ) -> Result<Pending<T>, SubmitError> {
        let place = self.places(owner, 1)?.pop().ok_or(SubmitError::Dead)?;
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (client, pending) = Pending::channel();
        self.inbox.try_send(sequence(id, client, place)).map_err(|_| SubmitError::Dead)?;
        Ok(pending)
    }

    /// Whether requests are taken.
    ///
    /// # Errors
    /// [`SubmitError::Draining`] or [`SubmitError::Dead`].
    pub fn check_open(&self) -> Result<(), SubmitError> {
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(SubmitError::Draining);
        }
        if self.status().ready { Ok(()) } else { Err(SubmitError::Dead) }
    }

    /// A place in the queue for each of some sequences.
    fn places(&self, owner: Option<Owner>, sequences: usize) -> Result<Vec<Place>, SubmitError> {
        self.shared.places.take(owner, sequences).map_err(|error| match error {
            SubmitError::QueueFull { limit, .. } => {
                let status = self.status();
                SubmitError::QueueFull { running: status.running as usize, waiting: status.waiting as usize, limit }
            }
            other => other,
        })
    }

    /// Tokens that these lanes can grow by: what the context leaves to the longest, and what each KV cache leaves to those that run through
    /// its weights when they run alone. 0 if they do not fit themselves.
    pub fn room(&self, lanes: &[LaneSpec]) -> usize {
        let longest = lanes.iter().map(|lane| lane.prompt.len()).max().unwrap_or(0);
        let of_cache = |(weights, blocks): (usize, &usize)| {
            let lanes = lanes.iter().filter(|lane| lane.weights.0 == weights);
            // Each lane may leave up to a block unused.
            let taken: usize = lanes.clone().map(|lane| lane.prompt.len() + pad_model::BLOCK - 1).sum();
            Some((blocks * pad_model::BLOCK).saturating_sub(taken) / Some(lanes.count()).filter(|count| *count > 0)?)
        };
        let caches = self.shared.kv_blocks.iter().enumerate().filter_map(of_cache).min();
        self.shared.limits.context.saturating_sub(longest).min(caches.unwrap_or(0))
    }

    /// Whether lanes fit the context with `more` tokens each, and the KV cache when they run alone; and whether all tokens, those of an
    /// `answer` that is given included, are in the vocabulary.
    fn check_room(&self, lanes: &[LaneSpec], answer: &Arc<[u32]>, more: usize) -> Result<(), SubmitError> {
        let (Limits { context, .. }, sides) = (self.shared.limits, &self.shared.sides);
        // A given answer is known in each lane's tokens; one to be generated ends where a lane over a bridge has no more room.
        let grows = |lane: &LaneSpec| if answer.is_empty() { more } else { sides.answer(lane, answer).tokens().len() };
        let grows: Vec<usize> = lanes.iter().map(grows).collect();
        let longest = lanes.iter().zip(&grows).max_by_key(|(lane, more)| lane.prompt.len().saturating_add(**more));
        let (prompt, most) = longest.map_or((0, more), |(lane, more)| (lane.prompt.len(), *more));
        if prompt.saturating_add(most) > context {
            return Err(SubmitError::ContextExceeded { prompt, max_tokens: most, context });
        }
        let vocabulary = self.shared.vocabulary;
        let near = lanes.iter().filter(|lane| !sides.is_across(lane));
        let mut tokens = near.flat_map(|lane| lane.prompt.iter()).chain(answer.iter());
        if let Some(token) = tokens.find(|token| **token as usize >= vocabulary) {
            return Err(SubmitError::Invalid(format!("token {token} has no embedding: the model has {vocabulary}")));
        }
        let mut needed = vec![0; self.shared.kv_blocks.len()];
        for (lane, more) in lanes.iter().zip(grows) {
            needed[lane.weights.0] += (lane.prompt.len() + more).div_ceil(pad_model::BLOCK);
        }
        match needed.iter().zip(&self.shared.kv_blocks).find(|(needed, total)| needed > total) {
            None => Ok(()),
            Some((needed, total)) => {
                Err(SubmitError::NoKvRoom { needed: needed * pad_model::BLOCK, total: total * pad_model::BLOCK })
            }
        }
    }

    /// What the engine is doing.
    pub fn status(&self) -> Status {
        let mut status = *self.shared.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.draining = self.shared.draining.load(Ordering::Acquire);
        // Sequences on their way to the worker wait, too.
        let taken = self.shared.places.taken() as u64;
        status.waiting = status.waiting.max(taken.saturating_sub(status.running));
        status
    }

    /// What a request has to fit into.
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Refuse new requests from now on; those taken go on.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Resolves once no request is queued or running.
    pub async fn idle(&self) {
        self.shared.places.emptied().await;
    }

    /// Resolves if the worker ends, which it does only after a fault that it could not mend.
    pub async fn stopped(&self) {
        // Told once, at the end; that the sender is gone means the same.
        let _ = self.shared.life.clone().changed().await;
    }
}
