//! The operations of training, each with its gradient. candle's fused norm, softmax and rotary embedding have none and give no
//! error, so the transformer here is made of these and of `+` only.
//!
//! Weights of the base model are inside the operations: they are frozen, and their gradients are never computed.

mod attention;
mod gated;
mod linear;
mod low_rank;
mod norm;
mod unembed;
mod values;

pub use attention::Attention;
pub use gated::Gated;
pub use linear::{Linear, Matrix};
pub use low_rank::LowRank;
pub use norm::Norm;
pub use unembed::LogProbability;
