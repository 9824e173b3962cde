//! The shape and the switches of a transformer, whatever file describes it.
//!
//! A family is a reader of two kinds of files ([`from_json_file`], [`from_gguf`]) and the switches that it sets here. Nothing else names one.

mod check;
mod gguf;
mod gguf_header;
mod hugging_face;
mod hugging_face_rope;
mod model_config;
mod rope;
mod shape;

pub use gguf::{from_gguf, is_interleaved};
pub use hugging_face::from_json_file;
pub use model_config::{Experts, HeadNorms, ModelConfig, NormPlacement};
pub use rope::RopeConfig;
