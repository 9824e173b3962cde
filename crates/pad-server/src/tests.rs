//! The router as clients see it, over a real engine with a small made-up model.

mod chat;
mod client;
mod errors;
mod keys;
mod logs;
mod memory_listener;
mod model;
mod operation;
mod server;
mod shutdown;
mod stream;
mod tokenizer;
