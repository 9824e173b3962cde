//! How a model is loaded.

use std::sync::Arc;

use candle_core::Device;
use pad_kernels::Pool;

use crate::{Dtype, KvDtype};

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// How weights are kept.
    pub dtype: Dtype,
    /// How keys and values are kept.
    pub kv_dtype: KvDtype,
    /// Where it runs.
    pub device: Device,
    /// The threads that compute on the CPU.
    pub pool: Arc<Pool>,
}
