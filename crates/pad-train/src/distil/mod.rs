//! Distilled heads: the reward of a dimension is `log pi(a | told) - log pi(a | untold)`, and heads learn to tell it from the base
//! model's final hidden state alone.
//!
//! A file of traces holds steered answers, for each token the candidates, their base log-probabilities and the rewards that prompted
//! lanes gave them. The served model reads the answers once; then the heads are fitted by weighted least squares. Start reading at
//! `distiller.rs`.

mod distiller;
mod fit;
mod folder;
mod hidden;
mod judgement;
mod settings;
mod state;
mod strength;
mod trace;
mod unembedding;

pub use distiller::{Distilled, Distiller};
pub use folder::{DistilRecord, DistilledDimension, write as write_distilled};
pub use judgement::Fidelity;
pub use settings::DistilSettings;
pub use trace::{Trace, TracedAnswer, TracedStep, read as read_traces};
pub use unembedding::Unembedding;
