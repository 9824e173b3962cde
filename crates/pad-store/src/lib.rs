//! What outlives a request: preference profiles, the choices that they were learned from, and documents such as responses.
//!
//! [`Store`] keeps them in SQLite (a file, or memory) or in PostgreSQL. It knows neither HTTP nor what the JSON means that it keeps.
//! Everything belongs to a [`Scope`], and nothing is found from another one.
//!
//! A store is made without a connection. The first operation connects and brings the schema up to date; while the database is out of
//! reach, every operation fails at once with [`StoreError::Unavailable`], and a task of [`Store::watch`] finds out when it is back.

mod cache;
mod choices;
mod database;
mod document;
mod error;
mod file;
mod growth;
mod health;
mod listener;
mod location;
mod person;
mod profile;
mod profiles;
mod schema;
mod scope;
mod store;
mod sweep;
mod time;
mod turns;
mod watch;

#[cfg(test)]
mod tests;

pub use choices::{Choice, NewChoice, READ, Revised, Revision};
pub use document::{Document, StoredDocument};
pub use error::StoreError;
pub use health::Health;
pub use location::Location;
pub use person::Deleted;
pub use profile::{Profile, Stamp};
pub use profiles::{Expected, Written};
pub use scope::Scope;
pub use store::{Store, StoreLimits};
