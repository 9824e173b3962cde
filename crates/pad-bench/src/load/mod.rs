//! The same load over HTTP on any OpenAI-compatible servers.
//!
//! Servers take turns within each round at each level, and begin in turn: figures of one round are a pair, and ratios are taken
//! pair by pair. Figures are medians over rounds, but for counts, which are sums.

mod answer;
mod figures;
mod level;
mod plan;
mod server;
mod table;
mod words;

pub use answer::Answer;
pub use figures::{Figures, Pace, Rates};
pub use level::{Level, Outcome, run, warm_up};
pub use plan::{LongPrompts, Plan};
pub use server::Server;
pub use table::{About, report};
