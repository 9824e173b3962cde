//! The engine: sequences of lanes, advanced in lockstep by a batching scheduler.
//!
//! ```text
//! plan    = scheduler.plan()      // rows of every lane, within the token budget
//! outcome = runner.step(&plan)    // one ragged batch per set of weights, candidates and rewards read on the device
//! events  = scheduler.commit()    // the rule decides, sequences advance
//! ```
//!
//! It knows neither HTTP nor text. A client submits a [`GenerateRequest`] to an [`Engine`] and reads [`Event`]s from each
//! [`Choice`], or a [`ScoreRequest`] and waits for its [`Scored`].

mod block_pool;
mod budget;
mod choice;
mod constraint;
mod engine;
mod error;
mod event;
mod generation;
mod lane;
mod lane_spec;
mod line;
mod lockstep;
mod pending_scores;
mod places;
mod request;
mod runner;
mod scheduler;
mod scoring;
mod sequence;
mod status;
mod tenant;
mod worker;

pub use choice::Choice;
pub use engine::{Engine, EngineConfig};
pub use error::{ScoreError, StepError, SubmitError};
pub use event::{Event, Finish, FinishReason, Scores, Token};
pub use pad_model::BLOCK;

pub use lane_spec::{Adaptation, AdapterId, HeadId, LaneReadout, LaneSpec, RewardLane, Trunk, WeightsId, arrange};
pub use lockstep::{LoadedWeights, LockstepRunner};
pub use pending_scores::{PendingScores, Scored};
pub use request::GenerateRequest;
pub use runner::{DecodeReadouts, DecodeRows, LaneRows, Runner, ScoreReadouts, ScoreRows, StepPlan, StepReadouts};
pub use scoring::ScoreRequest;
pub use status::{Limits, Status};
pub use tenant::{CacheScope, Owner, Tenant};
