//! The engine: sequences of lanes, advanced in lockstep by a batching scheduler.
//!
//! ```text
//! plan    = scheduler.plan()      // rows of every lane, within the token budget
//! outcome = runner.step(&plan)    // one ragged batch per set of weights, candidates and rewards read on the device
//! events  = scheduler.commit()    // the rule decides, sequences advance
//! ```
//!
//! It knows neither HTTP nor text. A client submits a [`GenerateRequest`] or a [`ScoreRequest`] to an [`Engine`] and reads
//! [`Event`]s from each [`Choice`].

mod block_pool;
mod choice;
mod constraint;
mod engine;
mod error;
mod event;
mod lane;
mod lockstep;
mod request;
mod runner;
mod scheduler;
mod scoring;
mod sequence;
mod status;
mod worker;

pub use choice::Choice;
pub use engine::{Engine, EngineConfig};
pub use error::{StepError, SubmitError};
pub use event::{Event, Finish, FinishReason, Scores, Token};
pub use pad_model::BLOCK;

pub use lockstep::{LoadedWeights, LockstepRunner};
pub use request::{Adaptation, AdapterId, GenerateRequest, HeadId, LaneReadout, LaneSpec, Trunk, WeightsId};
pub use runner::{DecodeReadouts, DecodeRows, LaneRows, Runner, ScoreReadouts, ScoreRows, StepPlan, StepReadouts};
pub use scoring::ScoreRequest;
pub use status::{Limits, Status};
