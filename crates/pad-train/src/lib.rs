//! Training of personalized reward models: from pairs of answers to a folder that the server loads.
//!
//! Eq. 9 of PAD in two stages on candle's autograd, in single precision on the CPU:
//!
//! 1. a low-rank adapter in the upper layers, on the pairs of all dimensions;
//! 2. adapter frozen, one low-rank head of the final hidden state per dimension, on that dimension's pairs.
//!
//! Or without pairs: `distil` fits heads to the rewards of prompted lanes, token by token ([`Distiller`]).
//!
//! Everything frozen is computed once: hidden states below the first trained layer, the reference's log-probabilities, and for
//! stage 2 the final hidden states. Start reading at `trainer.rs`; the operations with gradients are in `ops`.

mod accuracy;
mod adamw;
mod adapter;
mod backbone;
mod checkpoint;
mod corpus;
mod distil;
mod draws;
mod error;
mod evaluation;
mod frozen;
mod heads;
mod layout;
mod manifest;
mod objective;
mod ops;
mod pair;
mod persrm;
mod plan;
mod progress;
mod schedule;
mod settings;
mod stages;
mod states;
mod trainer;
mod workers;

pub use accuracy::Accuracy;
pub use adapter::{Adapter, Target};
pub use backbone::{Backbone, Vocabulary};
pub use checkpoint::remove as remove_checkpoint;
pub use corpus::{Corpus, dimensions};
pub use distil::{
    DistilRecord, DistilSettings, Distilled, DistilledDimension, Distiller, Fidelity, Trace, TracedAnswer, TracedStep,
    Unembedding, read_traces, write_distilled,
};
pub use draws::Draws;
pub use error::TrainError;
pub use heads::Head;
pub use layout::{Example, Packed};
pub use manifest::Base;
pub use objective::{Loss, Objective};
pub use pad_kernels::Pool;
pub use pair::{Pair, Turn, read};
pub use persrm::{Record, write};
pub use plan::Plan;
pub use progress::Verbosity;
pub use settings::Settings;
pub use trainer::{Ending, Stop, Trainer};
