//! The router as clients see it, over a real engine with a small made-up model.

mod chat;
pub(crate) mod client;
mod errors;
mod keys;
mod logs;
mod memory_listener;
pub(crate) mod model;
mod operation;
pub(crate) mod server;
mod shutdown;
mod stream;
mod tokenizer;
