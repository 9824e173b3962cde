//! Measuring how far steering goes, and what it costs.
//!
//! A [`Plan`] lists the requests: prompts, preferences, ways of decoding. A [`Run`] sends them to servers, method by method, and stores
//! every answer in a folder as it arrives, so that an interrupted run continues where it stopped. A [`Sheet`] holds all answers with the
//! scores that [`Scorer`]s give them, a [`Judge`] compares answers of two arms, and a [`Summary`] is the content of the report.

mod answer;
mod built_in;
mod content;
mod conversation;
mod duel;
mod error;
mod figure;
mod guidance;
mod journal;
mod judge;
mod method;
mod pair;
mod plan;
mod preference;
mod preset;
mod prompt;
mod report;
mod run;
mod scale;
mod scorer;
mod server;
mod sheet;
mod statistics;
mod summary;
mod terminal;
mod turn;
mod work;

/// The scorer of style that ships with the crate, a Python script.
pub const STYLE_SCORER: &str = include_str!("../scorers/style.py");

/// The packages that [`STYLE_SCORER`] needs, as pip reads them.
pub const STYLE_REQUIREMENTS: &str = include_str!("../scorers/style.txt");

/// The scorer of content that ships with the crate, a Python script.
pub const RELEVANCE_SCORER: &str = include_str!("../scorers/relevance.py");

/// The packages that [`RELEVANCE_SCORER`] needs, all of them: what they ask for besides is not needed.
pub const RELEVANCE_REQUIREMENTS: &str = include_str!("../scorers/relevance.txt");

pub use answer::{Answer, Decoding, Likelihood, Style};
pub use duel::{Verdict, judged};
pub use error::EvalError;
pub use guidance::{Beta, Guidance};
pub use judge::{Comparison, Judge, Winner};
pub use method::{Method, Pad};
pub use pair::{Judged, Judgement, Pair, read as read_pairs, thinned};
pub use plan::{Choice, Plan, Terms};
pub use preference::{Preference, read as read_preferences};
pub use preset::Preset;
pub use prompt::{Prompt, read as read_prompts};
pub use run::Run;
pub use scale::{Better, ExampleTurn, Scale, Scales, Score};
pub use scorer::{Scored, Scorer, Scores};
pub use server::{Reply, Sampling, Server};
pub use sheet::{Cell, Row, Series, Sheet};
pub use statistics::{Bootstrap, Estimate, rank_correlation, wilson};
pub use summary::{
    About, Accuracy, Axis, Cost, Dose, Effect, EffectTable, Example, ExampleAnswer, Finding, Fluency, Front,
    FrontPoint, Line, Mixture, OtherRun, Outcome, Part, Point, SideEffects, Summary, WinRate,
};
