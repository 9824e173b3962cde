//! The statistics of an evaluation, in plain arithmetic.
//!
//! The unit is the prompt: answers to one prompt are averaged first, and prompts are resampled.

mod bootstrap;
mod rank;
mod share;
mod trend;

pub use bootstrap::{Bootstrap, Estimate, mean, standard_deviation};
pub use rank::rank_correlation;
pub use share::wilson;
pub use trend::rises;
