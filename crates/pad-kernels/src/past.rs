//! What a row of one KV head looks back on, and how much each position weighs.

use std::ops::Range;

use crate::AttentionRule;
use crate::cell::Cell;
use crate::exp::{exp, soft_cap};
use crate::kv::{BLOCK, KvLayout};

/// Sums that a score is added up in: enough to hide the latency of a multiply-add.
pub const CHAINS: usize = 4;

/// What a row looks back on, at one KV head.
#[derive(Clone, Copy)]
pub struct Past<'a, C> {
    /// The layer's cache, `[blocks, block_len]`.
    pub cache: &'a [C],
    /// Its shape.
    pub layout: KvLayout,
    /// The KV head.
    pub kv_head: usize,
    /// The lane's blocks that hold what the row sees, in order.
    pub blocks: &'a [u32],
    /// The positions seen, counted from the first of these blocks; the last one is the row's own.
    pub first: usize,
    pub last: usize,
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
}

impl<'a, C: Cell> Past<'a, C> {
    /// What a row at `position` of a lane with these blocks sees under `rule`.
    pub fn new(
        cache: &'a [C],
        layout: KvLayout,
        rule: &AttentionRule,
        kv_head: usize,
        blocks: &'a [u32],
        position: usize,
    ) -> Self {
        let first = rule.first_seen(position);
        let skipped = first / BLOCK;
        let blocks = &blocks[skipped..=position / BLOCK];
        let (first, last) = (first - skipped * BLOCK, position - skipped * BLOCK);
        Self { cache, layout, kv_head, blocks, first, last, soft_cap: rule.soft_cap }
    }

    /// Number of blocks that hold seen positions.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The places in block `index` that are seen.
    pub fn seen(&self, index: usize) -> Range<usize> {
        self.first.saturating_sub(index * BLOCK)..BLOCK.min(self.last + 1 - index * BLOCK)
    }

    /// Keys `[head_dim][BLOCK]` and values `[BLOCK][head_dim]` of block `index`.
    pub fn block(&self, index: usize) -> (&'a [C], &'a [C]) {
        let start = self.blocks[index] as usize * self.layout.block_len() + self.kv_head * self.layout.head_len();
        self.cache[start..start + self.layout.head_len()].split_at(self.layout.head_dim * BLOCK)
    }
}

/// Turn scores, capped where there is a cap, into `exp(score - max)`, 0 outside of `first..=last`; their sum.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub fn weigh(scores: &mut [f32], first: usize, last: usize, cap: Option<f32>) -> f32 {
    if let Some(cap) = cap {
        scores.iter_mut().for_each(|score| *score = soft_cap(*score, cap));
    }
    scores[..first].fill(f32::NEG_INFINITY);
    scores[last + 1..].fill(f32::NEG_INFINITY);
    let mut max = [f32::NEG_INFINITY; BLOCK];
    for scores in scores.chunks_exact(BLOCK) {
        for (max, score) in max.iter_mut().zip(scores) {
            *max = if *score > *max { *score } else { *max };
        }
    }
    let max = max.iter().fold(f32::NEG_INFINITY, |max, m| if *m > max { *m } else { max });
    let mut sums = [0.0_f32; BLOCK];
    for scores in scores.chunks_exact_mut(BLOCK) {
        for (sum, score) in sums.iter_mut().zip(scores) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    sums.iter().sum()
}
