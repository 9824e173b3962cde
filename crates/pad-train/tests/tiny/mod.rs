//! Small seeded checkpoints.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pad_train::{Backbone, Pool};

/// The folder of one.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

/// It loaded, computing on so many threads.
pub fn family(name: &str, threads: usize) -> Backbone {
    let mut weights = pad_model::open(&path(name)).unwrap();
    Backbone::load(weights.as_mut(), Arc::new(Pool::new(threads))).unwrap()
}
