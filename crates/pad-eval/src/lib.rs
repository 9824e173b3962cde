//! Measuring how far steering goes, and what it costs.
//!
//! A [`Plan`] says what is asked: prompts, preferences, ways of decoding. A [`Run`] asks servers, method by method, and keeps
//! everything in a folder as it comes, so that a run which is broken off goes on where it was. A [`Sheet`] holds all answers with the
//! scores that [`Scorer`]s give them.

mod answer;
mod built_in;
mod error;
mod figure;
mod journal;
mod method;
mod pair;
mod plan;
mod preference;
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
mod work;

/// The scorer of style that ships with the crate, a Python script.
pub const STYLE_SCORER: &str = include_str!("../scorers/style.py");

/// The packages that [`STYLE_SCORER`] needs, as pip reads them.
pub const STYLE_REQUIREMENTS: &str = include_str!("../scorers/requirements.txt");

pub use answer::{Answer, Decoding, Likelihood, Style};
pub use error::EvalError;
pub use method::{Method, Turn};
pub use pair::{Judgement, Pair, read as read_pairs, thinned};
pub use plan::{Choice, Plan, Terms};
pub use preference::{Preference, read as read_preferences};
pub use prompt::{Message, Prompt, read as read_prompts};
pub use run::Run;
pub use scale::{Better, Scale, Scales, Score};
pub use scorer::{Scored, Scorer, Scores};
pub use server::{DimensionInfo, Reply, Rewards, Sampling, Server};
pub use sheet::{Cell, Row, Series, Sheet};
pub use statistics::{Bootstrap, Estimate, wilson};
pub use summary::{
    About, Accuracy, Axis, Dose, Effect, EffectTable, Example, ExampleAnswer, Finding, Fluency, Front, FrontPoint,
    Line, Part, Point, SideEffects, Summary,
};
