//! The router as clients see it, over a real engine with a small made-up model.

mod chat;
pub(crate) mod client;
mod client_habits;
mod completions;
mod connections;
mod constraints;
mod context;
mod errors;
mod forms;
mod keys;
mod logprobs;
mod logs;
mod memory_listener;
pub(crate) mod model;
mod operation;
mod response_calls;
mod responses;
mod rewards;
mod sampling;
mod self_description;
pub(crate) mod server;
mod shutdown;
mod standing_preference;
mod stream;
pub(crate) mod tokenizer;
mod tokens;
mod tools;
