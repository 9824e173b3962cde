//! The same load over HTTP on any OpenAI-compatible servers.
//!
//! Servers take turns within each round at each level, and take turns going first: figures of one round are paired, and ratios are taken
//! pair by pair. Figures are medians over rounds, except for counts, which are sums.

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
