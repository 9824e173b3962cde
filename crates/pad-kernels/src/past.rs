//! What a row of one KV head looks back on, and how much each position weighs.

use std::ops::Range;

use crate::AttentionRule;
use crate::cell::Cell;
use crate::exp::{exp, soft_cap};
use crate::kv_layout::{BLOCK, KvLayout};

/// Sums that a score is added up in: enough to hide the latency of a multiply-add.
pub const CHAINS: usize = 4;

/// What a row looks back on, at one KV head.
#[derive(Clone, Copy)]
pub struct Past<'a, C> {
    /// The layer's cache, blocks of cells.
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
        self.head(index)[..self.layout.head_len()].split_at(self.layout.head_dim * BLOCK)
    }

    /// What block `index` has of the KV head.
    #[inline]
    fn head(&self, index: usize) -> &'a [C] {
        let cells = C::FORMAT.head_cells(self.layout);
        let start = self.blocks[index] as usize * C::FORMAT.block_cells(self.layout) + self.kv_head * cells;
        &self.cache[start..start + cells]
    }

    /// The cells of the scales of block `index`, those of the keys and those of the values; none in formats without.
    pub fn scale_cells(&self, index: usize) -> (&'a [C], &'a [C]) {
        let scales = &self.head(index)[self.layout.head_len()..];
        scales.split_at(scales.len() / 2)
    }

    /// The scales of the keys of block `index`; 1 in formats without.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
    pub fn key_scales(&self, index: usize) -> [f32; BLOCK] {
        if C::FORMAT.has_scales() { C::scales(self.scale_cells(index).0) } else { [1.0; BLOCK] }
    }

    /// Multiply every block's numbers by the scales of its values: weights meet values that are in scales.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
    pub fn in_value_scales(&self, weights: &mut [f32]) {
        if C::FORMAT.has_scales() {
            for (index, weights) in weights.chunks_exact_mut(BLOCK).enumerate() {
                let scales = C::scales(self.scale_cells(index).1);
                weights.iter_mut().zip(scales).for_each(|(weight, scale)| *weight *= scale);
            }
        }
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
