//! The router as clients see it, over a real engine with a small made-up model.

mod chat;
pub(crate) mod client;
mod completions;
mod connections;
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
pub(crate) mod server;
mod shutdown;
mod stream;
pub(crate) mod tokenizer;
mod tokens;
mod tools;
