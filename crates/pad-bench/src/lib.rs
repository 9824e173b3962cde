//! Measuring speed: the engine in this process ([`measure`], [`report`]), and servers under load over HTTP ([`load`]).
//!
//! All cases take turns within each round, and the report gives medians over rounds: the machine's speed drifts, and cases that are
//! measured close together drift together.

mod decode;
mod error;
mod form;
pub mod load;
mod memory;
mod quantile;
mod table;

pub use decode::{Case, Figures, Kind, Steering, measure};
pub use error::BenchError;
pub use form::people;
pub use memory::resident;
pub use table::{About, report};
