//! The store on SQLite, in memory and in files. The black-box tests run servers over PostgreSQL as well.

mod choices;
mod documents;
mod files;
mod profiles;

use crate::{Location, Store, StoreLimits};

/// An empty store in memory.
fn memory() -> Store {
    Store::in_memory(StoreLimits::default())
}

/// A store in a file of a folder.
fn file(folder: &tempfile::TempDir) -> Store {
    Store::new(Location::File(folder.path().join("pad.sqlite")), StoreLimits::default())
}
