//! The engine: sequences of lanes, advanced in lockstep by a batching scheduler.
//!
//! ```text
//! plan     = scheduler.plan()      // rows of every lane, within the token budget
//! readouts = runner.step(&plan)    // one ragged batch per set of weights, candidates and rewards read on the device
//! scheduler.commit(readouts)       // the rule decides, events are sent, sequences advance
//! ```
//!
//! It contains neither HTTP nor text. A client submits a [`GenerateRequest`] to an [`Engine`] and reads [`Event`]s from each
//! [`Choice`], or a [`ScoreRequest`] and waits for its [`Scored`], or an [`EmbedRequest`] and
//! waits for the embedding.
//!
//! The engine uses a model only through its [`Runner`]. This one proposes the number after the last token:
//!
//! ```
//! use pad_decode::{CandidateSource, Candidates, Readout, Rule};
//! use pad_engine::{
//!     DecodeReadouts, Engine, EngineConfig, Event, GenerateRequest, LaneSpec, Runner, StepError, StepPlan, StepReadouts,
//!     Tenant,
//! };
//!
//! struct Counter;
//!
//! impl Runner for Counter {
//!     fn context(&self) -> usize {
//!         64
//!     }
//!     fn kv_blocks(&self) -> Vec<usize> {
//!         vec![8]
//!     }
//!     fn vocabulary(&self) -> usize {
//!         100
//!     }
//!     fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError> {
//!         let decodes = plan.decodes.iter().map(|decode| {
//!             let last = plan.rows[decode.base].tokens.last().copied().unwrap_or(0);
//!             let base = Readout { logits: vec![0.0], log_sum_exp: None };
//!             let candidates = Candidates { tokens: vec![last + 1], base, adjusted: None };
//!             DecodeReadouts { candidates, rewards: Vec::new() }
//!         });
//!         Ok(StepReadouts { decodes: decodes.collect(), ..StepReadouts::default() })
//!     }
//! }
//!
//! let engine = Engine::start(Counter, EngineConfig::default())?;
//! let request = GenerateRequest {
//!     lanes: vec![LaneSpec::base([1, 2, 3].into())],
//!     terms: Vec::new(),
//!     rule: Rule::default(),
//!     top_k: 1,
//!     source: CandidateSource::Base,
//!     seed: 0,
//!     choices: 1,
//!     max_tokens: 10,
//!     end_tokens: [6].into(),
//!     tenant: Tenant::default(),
//!     grammar: None,
//! };
//! let mut choice = engine.submit(request)?.remove(0);
//! let mut tokens = Vec::new();
//! while let Some(Event::Token(token)) = choice.blocking_next() {
//!     tokens.push(token.id);
//! }
//! assert_eq!(tokens, [4, 5, 6]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block_pool;
mod budget;
mod choice;
mod constraint;
mod course;
mod crossed;
mod embedding;
mod engine;
mod error;
mod event;
mod far_side;
mod generation;
mod lane;
mod lane_spec;
mod line;
mod lockstep;
mod pending;
mod places;
mod proposals;
mod queue_time;
mod request;
mod runner;
mod scheduler;
mod scoring;
mod sequence;
mod sides;
mod status;
mod tally;
mod tenant;
mod unread;
mod worker;

pub use choice::Choice;
pub use course::{Course, RewardTime};
pub use embedding::EmbedRequest;
pub use engine::{Engine, EngineConfig};
pub use error::{ScoreError, StepError, SubmitError};
pub use event::{Event, Finish, FinishReason, Scores, Token};
pub use pad_model::{BLOCK, Strength};

pub use lane_spec::{Adaptation, AdapterId, HeadId, LaneReadout, LaneSpec, RewardLane, Trunk, WeightsId, arrange};
pub use lockstep::{LoadedWeights, LockstepRunner};
pub use pending::Pending;
pub use queue_time::{QUEUE_TIME_BOUNDS, QueueTimes};
pub use request::GenerateRequest;
pub use runner::{
    DecodeReadouts, DecodeRows, LaneRows, Open, Runner, ScoreReadouts, ScoreRows, StepPlan, StepReadouts,
};
pub use scoring::{ScoreRequest, Scored};
pub use status::{Limits, Status};
pub use tenant::{CacheScope, Owner, Tenant};
