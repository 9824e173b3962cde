//! Small seeded checkpoints.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pad_model::{Dtype, Model, ModelOptions};
use pad_train::{Backbone, Pool, Unembedding};

/// The folder of one.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

/// It loaded, computing on so many threads.
pub fn family(name: &str, threads: usize) -> Backbone {
    let mut weights = pad_model::open(&path(name)).unwrap();
    Backbone::load(weights.as_mut(), Arc::new(Pool::new(threads))).unwrap()
}

/// It loaded as a server does, in single precision, with the rows of its unembedding.
#[allow(dead_code, reason = "the tests of distillation use it")]
pub fn served(name: &str, threads: usize) -> (Model, Unembedding) {
    let options =
        ModelOptions { dtype: Dtype::F32, device: candle_core::Device::Cpu, pool: Arc::new(Pool::new(threads)) };
    let open = || pad_model::open(&path(name)).unwrap();
    (Model::load(open().as_mut(), &options).unwrap(), Unembedding::load(open().as_mut()).unwrap())
}
