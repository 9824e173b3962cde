//! The page at the server's address, where a reader sees what a preference does to an answer.
//!
//! The files in `assets/` are part of the binary; a debug build reads them from the folder, so that a change shows on reload. They
//! are plain ES modules without a build step, and load nothing from other hosts. The page uses the public API only: it needs no key
//! itself, and its requests carry the key that the reader enters.

mod asset;
mod document;
mod policy;
mod routes;

pub use routes::routes;
