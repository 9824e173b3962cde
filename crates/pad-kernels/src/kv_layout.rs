//! The shape of attention and of the blocks that keys and values lie in.

/// Positions in a KV block.
pub const BLOCK: usize = 16;

/// The shape of attention and of its cache.
///
/// A layer's cache is `[blocks, cells]` with as many cells as its [`crate::KvFormat`] says. A block holds, for each KV head, the keys transposed
/// `[head_dim][BLOCK]` (so that 16 positions' scores are computed side by side), then the values `[BLOCK][head_dim]`, and the scales
/// `[2][BLOCK]` of both where the format has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLayout {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; `heads` is a multiple.
    pub kv_heads: usize,
    /// Values in a head.
    pub head_dim: usize,
}

impl KvLayout {
    /// Numbers in one block of one layer.
    pub const fn block_len(&self) -> usize {
        self.kv_heads * self.head_len()
    }

    /// Numbers of one KV head in a block: its keys, then its values.
    pub(crate) const fn head_len(&self) -> usize {
        2 * self.head_dim * BLOCK
    }

    /// Values in a row of queries, keys and values.
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Query heads that share a KV head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}
