//! The kernels in CUDA C++ (`cuda/*.cu`): their source, and how each is launched.
//!
//! A [`Launch`] is plain data: the name of a kernel, the sizes of its grid and its blocks, and its arguments, byte by byte. It is made
//! here without a device, so that the tests run the same launches on the host that a device gets. An [`Executor`] runs launches: with the
//! feature `cuda` a stream of an NVIDIA device. Shapes are checked when a launch
//! is made; that the addresses lead to as much memory as the shapes say is up to the caller.
//!
//! | launch | what it does |
//! |---|---|
//! | [`NormLaunch`] | RMS norm, with an addition before it or behind it; of rows or of heads |
//! | [`RopeLaunch`] | rotary embedding of queries and keys, keys and values into their blocks |
//! | [`AttentionLaunch`] | attention of single rows over blocks, long contexts in parts |
//! | [`PrefillLaunch`] | attention of prompts' chunks by tensor cores |
//! | [`MatmulLaunch`] | few rows by a matrix as a file stores it ([`StoredAs`]) |
//! | [`GateLaunch`] | SwiGLU and `GeGLU` |
//! | [`LowRankLaunch`] | adapters and heads on some rows |
//! | [`ReadoutLaunch`], [`EmbeddingLaunch`] | single rows of the unembedding and of the embedding |
//! | [`BestLaunch`] | the k best of a vocabulary, under a mask |
//! | [`DecisionLaunch`] | the rule, and the draw |

mod attention;
mod best;
#[cfg(feature = "cuda")]
mod cuda;
mod decision;
mod executor;
mod gate;
mod launch;
mod low_rank;
mod matmul;
mod norm;
mod prefill;
mod readout;
mod rope;
#[cfg(any(feature = "cuda", test))]
mod source;
mod stored;

pub use attention::AttentionLaunch;
pub use best::BestLaunch;
#[cfg(feature = "cuda")]
pub use cuda::{CudaDevice, CudaQueue};
pub use decision::{Against, DecisionLaunch};
pub use executor::Executor;
pub use gate::GateLaunch;
pub use launch::{Address, Launch};
pub use low_rank::LowRankLaunch;
pub use matmul::MatmulLaunch;
pub use norm::{NormLaunch, NormTypes};
pub use prefill::PrefillLaunch;
pub use readout::{EmbeddingLaunch, ReadoutLaunch};
pub use rope::RopeLaunch;
pub use stored::{CellType, StoredAs};
