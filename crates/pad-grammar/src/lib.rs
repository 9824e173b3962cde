//! The form of an answer: JSON, JSON that follows a schema, tool calls.
//!
//! ```text
//! shape    = Shape { content, calls }                 what a request asks for
//! grammar  = grammars.compile(&shape, &requester)?    once per request, on a thread that may block
//! allowed  = grammar.allowed()?                       a set of tokens, before each choice
//! grammar.accept(token)?                              the choice
//! ```
//!
//! The work is done by the `llguidance` crate, which parses bytes: a token is allowed if its bytes continue some text of the language.
//! Whitespace between JSON tokens is bounded, so that a weak model cannot fill its answer with it. Nothing is ever fetched: a `$ref`
//! points into its own schema.
//!
//! Schemas come from clients. Their depth, size and numbers are checked before anything is compiled (`bounds.rs`); compilation runs on a few
//! threads with a large stack, within a [`Budget`] of time and memory (`compiler.rs`), and each step has its own bounds (`budget.rs`).

mod bounds;
mod budget;
mod cache;
mod compiler;
mod error;
mod grammars;
mod kind;
mod lark;
mod literal;
mod matcher;
mod meeting;
mod number;
mod pattern;
mod repeats;
mod requester;
mod schema;
mod shape;
mod subschema;
mod vocabulary;
mod writing;

pub use budget::Budget;
pub use error::ShapeError;
pub use grammars::{Fitted, Grammars, ShapePart};
pub use lark::Lark;
pub use literal::{Choices, Regex};
pub use requester::Requester;
pub use schema::{MOST_BYTES, Schema};
pub use shape::{Calls, Content, Shape, Tool};
