//! A blocking HTTP client of OpenAI-compatible chat servers and of the routes that PAD Server adds.
//!
//! [`Client`] sends a [`ChatBody`] and reads a whole [`ChatReply`] or a [`ChatStream`]. From the routes that every
//! OpenAI-compatible server has, only the needed fields are read. Answers of routes that only PAD Server has are read as
//! the types of `pad-api` that the server writes.
//!
//! Nothing is retried, no proxy is used, and every error names the URL.

mod chat_body;
mod chat_chunk;
mod chat_reply;
mod chat_stream;
mod client;
pub mod draws;
mod error;
mod message;
mod sse;

pub use chat_body::ChatBody;
pub use chat_chunk::{ChatChunk, ChatEvent};
pub use chat_reply::{ChatAnswer, ChatReply, TokenUsage};
pub use chat_stream::ChatStream;
pub use client::{Client, Connections};
pub use error::ClientError;
pub use message::Message;
pub use pad_api::{DimensionInfo, TokenTrace};
pub use sse::SseDecoder;
