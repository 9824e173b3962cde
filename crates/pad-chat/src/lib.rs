//! A conversation in the terminal: lines in, answers out, and why each word was chosen.
//!
//! A [`Conversation`] asks a server over HTTP and writes to any [`std::io::Write`]; where lines come from is the caller's. A line is a
//! message, or a [`Command`] that begins with `/`.

mod command;
mod conversation;
mod error;
mod overruled;
mod painting;

pub use command::{Command, HELP, preference};
pub use conversation::{Conversation, Next, Options};
pub use error::ChatError;
pub use painting::Colours;
