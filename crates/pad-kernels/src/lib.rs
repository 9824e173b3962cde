//! The operations of a transformer step, fast on the CPU and correct on every device.
//!
//! Each operation is a candle custom op around plain loops over slices, and has a *twin* made of plain candle operations: the
//! twin runs on any device, and the tests compare the two. On the CPU every row's reductions have a fixed
//! order, so a row's result depends neither on the other rows of the batch nor on the number of threads.
//!
//! | piece | what it does |
//! |---|---|
//! | [`Pool`] | threads for steps of a few milliseconds |
//! | [`Arena`] | memory for weights, in huge pages |
//! | [`PackedWeights`] | a weight matrix in tiles of 16 outputs by blocks of 32 inputs |
//! | [`Linear`] | `y = f(x) W^T + b (+ residual)`, with the norm folded into the input |
//! | [`FeedForward`] | `D (gate(G f(x)) * U f(x)) (+ x)`, with a [`Gate`] |
//! | [`LowRankStack`] | `y += B (A f(x))` for some rows: adapters |
//! | [`RmsNorm`], [`HeadNorm`], [`Rope`] | normalisation and rotary positions |
//! | [`BatchView`], [`KvLayout`], [`KvFormat`] | the ragged batch and the cache it reads and writes |
//! | [`attention`], [`write_kv`] | rotary embedding, cache write and attention over blocks, by each layer's [`AttentionRule`] |
//! | [`Best`] | the k best logits of a row |
//! | [`MatrixMut`], [`exponentials`], [`gated`] | matrix products and maps of the training, in single precision |
//! | [`device`] | the kernels in CUDA C++, and how each is launched |
//!
//! `unsafe` is confined to this crate: to the thread pool, to slices shared between its threads, to the arena, to the tiles,
//! and to the call of `gemm`.
#![expect(
    unsafe_code,
    reason = "threads share output slices, weights lie in huge pages, and tiles use the processor's vector instructions"
)]

mod activation;
mod activation_avx512;
mod arena;
mod attention;
mod attention_plan;
mod attention_rule;
mod batch_view;
mod best;
mod cell;
pub mod device;
mod dispatch;
mod encoding;
mod exp;
mod feed_forward;
mod format;
mod four_bits;
mod gate;
mod head_norm;
mod input;
mod kv;
mod kv_format;
mod kv_layout;
mod kv_twin;
mod linear;
mod low_rank;
mod multiply;
mod norm;
mod packed;
mod part;
mod pool;
mod product;
mod quantised_block;
mod query_group;
mod query_group_avx512;
mod rope;
mod rounding;
mod row_argument;
mod row_group;
mod rowwise;
mod shared;
mod tile;
mod tile_avx2;
mod tile_neon;
mod tile_rows;
mod tile_vnni;
mod unembed;
mod unit;

pub use arena::{Arena, keep_freed_memory, work_alone};
pub use attention::attention;
pub use attention_rule::AttentionRule;
pub use batch_view::{BatchView, Segment};
pub use best::{Best, Ranked};
pub use dispatch::Isa;
pub use encoding::Encoding;
pub use feed_forward::{AdaptedRows, FeedForward};
pub use format::{Format, TILE};
pub use gate::Gate;
pub use head_norm::HeadNorm;
pub use input::Input;
pub use kv::write_kv;
pub use kv_format::KvFormat;
pub use kv_layout::{BLOCK, KvLayout};
pub use linear::Linear;
pub use low_rank::{LowRank, LowRankStack};
pub use multiply::{MatrixMut, MatrixView};
pub use norm::RmsNorm;
pub use packed::PackedWeights;
pub use pool::Pool;
pub use rope::{Rope, RopeScaling, rotate};
pub use rounding::Rounding;
pub use rowwise::{exponentials, gated, gated_back, largest};
pub use tile_rows::TileRows;
pub use unembed::{Logits, RowWanted, Wanted};
pub use unit::Unit;

/// The twins of the operations that have no other name: plain candle, on any device.
pub mod twins {
    pub use crate::attention::twin as attention;
    pub use crate::kv_twin::{single as cache_numbers, write as write_kv};
}
