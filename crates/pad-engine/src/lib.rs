//! The engine: sequences of lanes, advanced in lockstep by a batching scheduler.
//!
//! ```text
//! plan    = scheduler.plan()      // rows of every lane, within the token budget
//! outcome = runner.step(&plan)    // one ragged batch per set of weights, candidates and rewards read on the device
//! events  = scheduler.commit()    // the rule decides, sequences advance
//! ```
//!
//! It knows neither HTTP nor text. A client submits a [`GenerateRequest`] to an [`Engine`] and reads [`Event`]s from each [`Choice`].

mod block_pool;
mod choice;
mod engine;
mod error;
mod event;
mod lane;
mod lockstep;
mod request;
mod runner;
mod scheduler;
mod sequence;
mod status;
mod worker;

pub use choice::Choice;
pub use engine::{Engine, EngineConfig};
pub use error::{StepError, SubmitError};
pub use event::{Event, Finish, FinishReason, Token};
pub use pad_model::BLOCK;

pub use lockstep::{LoadedWeights, LockstepRunner};
pub use request::{AdapterId, GenerateRequest, HeadId, LaneReadout, LaneSpec, WeightsId};
pub use runner::{DecodeReadouts, DecodeRows, LaneRows, Runner, StepPlan};
pub use status::{Limits, Status};
