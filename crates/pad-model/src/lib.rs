//! One transformer with config switches: its weights, its KV cache, and its forward over a ragged batch.
//!
//! The family files ([`config`]) only turn a `config.json` or a GGUF header into a [`ModelConfig`]; `forward` never names a
//! family. The crate contains neither requests nor text.

mod adapter;
mod adapter_layers;
mod batch;
mod cached_model;
pub mod config;
mod control_vector;
mod embedding;
mod error;
mod gguf;
mod gguf_directory;
mod head;
mod kv_cache;
mod lane_model;
mod layer;
mod layer_adapter;
mod loader;
mod matrix;
mod mixture;
mod model;
mod model_options;
mod name;
mod open;
mod packing;
mod peft;
mod place;
mod random;
mod safetensors;
mod strength;
mod tensor_bytes;
mod weights;

pub use adapter::Adapter;
pub use batch::{AdapterRows, Batch, LaneChunk, Stage};
pub use cached_model::CachedModel;
pub use config::ModelConfig;
pub use error::ModelError;
pub use gguf::GgufWeights;
pub use head::ValueHead;
pub use kv_cache::{KvCache, KvDtype};
pub use lane_model::{Follower, LaneModel, StateRead};
pub use layer_adapter::LayerAdapter;
pub use matrix::Matrix;
pub use model::{Hidden, Model};
pub use model_options::ModelOptions;
pub(crate) use name::PartTensor;
pub use name::{LayerPart, Part};
pub use open::open;
pub use packing::Dtype;
pub use pad_kernels::{BLOCK, Isa, Logits, Pool, Ranked, Rounding, RowWanted, Wanted, keep_freed_memory, work_alone};
pub use random::RandomWeights;
pub use safetensors::SafetensorsWeights;
pub use strength::Strength;
pub use tensor_bytes::{TensorBytes, TensorFile};
pub use weights::Weights;
