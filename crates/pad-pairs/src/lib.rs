//! Preference pairs from a base model's own answers: training data for `pad train`.
//!
//! [`make_pairs`] asks a chat server ([`pad_client::Client`]) for answers to prompts, once instructed by a principle and once by its
//! opposite, or several times without either; [`Filter`] drops answers and pairs that are unfit, a [`Scorer`] (a command of the
//! user's) may score answers, [`Rules`] decide which two make a pair, and [`Output`] is the file, which a later run continues.
//! [`own_prompts`] makes prompts, and [`make_traces`] records steered answers with their rewards, for distilled heads.
//!
//! Every draw follows from the seed and the prompt, so a run that was interrupted and continued gives the same pairs. Pairs are
//! written prompt by prompt, and [`Questions`] keeps the model's own questions, so little is lost.

mod error;
mod filter;
mod in_order;
mod maker;
mod output;
mod own_prompts;
mod pairing;
mod plan;
mod prompt;
mod questions;
mod scorer;
mod told;
mod traces;
mod words;

pub use error::PairsError;
pub use filter::{Filter, Flaw};
pub use maker::{Outputs, Tally, make_pairs};
pub use output::{Line, Output, Pair};
pub use own_prompts::own_prompts;
pub use pairing::{Candidate, Length, Rules};
pub use plan::Plan;
pub use prompt::Prompt;
pub use questions::Questions;
pub use scorer::{Item, Scorer};
pub use told::{Place, Told};
pub use traces::{Trace, TracePlan, TracedAnswer, TracedStep, make_traces};
pub use words::Runs;
