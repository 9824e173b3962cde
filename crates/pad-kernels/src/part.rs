//! A part of what rows of a lane look back on at one KV head, and how much each position weighs.
//!
//! The positions of a lane are attended to in parts of [`PART`], each with a softmax of its own; `attention_plan` joins them. Where a part
//! begins depends on the position alone, so that a row's sums have the same order whatever else is computed.

use std::ops::Range;

use crate::cell::Cell;
use crate::exp::{exp, soft_cap};
use crate::kv_layout::{BLOCK, KvLayout};

/// Positions in a part. The scores of a group of queries over a part stay in the first-level cache, its keys and values in the second.
pub const PART: usize = 256;

/// Sums that a score is added up in: enough to hide the latency of a multiply-add.
pub const CHAINS: usize = 4;

/// Keys and values of one KV head in consecutive blocks of a lane, all of one part.
#[derive(Clone, Copy)]
pub struct Part<'a, C> {
    /// The layer's cache, blocks of cells.
    pub cache: &'a [C],
    /// Its shape.
    pub layout: KvLayout,
    /// The KV head.
    pub kv_head: usize,
    /// The blocks, in order; at most `PART / BLOCK`.
    pub blocks: &'a [u32],
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
}

/// What a query sees of a part: positions counted from its first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The first.
    pub first: usize,
    /// The last.
    pub last: usize,
}

/// How much a query's softmax over a part weighs: `sum_j exp(score_j - max)`, and that `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mass {
    /// The largest score.
    pub max: f32,
    /// The sum.
    pub sum: f32,
}

/// What queries are computed in over a part: kept from one call to the next.
#[derive(Default)]
pub struct Scratch {
    /// Scores of a group of queries, `[queries][PART]`.
    pub scores: Vec<f32>,
    /// Their queries, at a fixed distance.
    pub queries: Vec<f32>,
}

impl Seen {
    /// The places in block `index` that are seen.
    pub fn within(self, index: usize) -> Range<usize> {
        let from = index * BLOCK;
        self.first.saturating_sub(from).min(BLOCK)..(self.last + 1).saturating_sub(from).min(BLOCK)
    }
}

impl<'a, C: Cell> Part<'a, C> {
    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.blocks.len()
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

    /// Turn a query's scores over the part into weights of the values as they are kept; what it does not see weighs 0.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
    pub fn weigh(&self, scores: &mut [f32], seen: Seen) -> Mass {
        let mass = weigh(scores, seen, self.soft_cap);
        if C::FORMAT.has_scales() {
            for (index, weights) in scores.chunks_exact_mut(BLOCK).enumerate() {
                let scales = C::scales(self.scale_cells(index).1);
                weights.iter_mut().zip(scales).for_each(|(weight, scale)| *weight *= scale);
            }
        }
        mass
    }
}

/// Turn scores, capped where there is a cap, into `exp(score - max)`, 0 where nothing is seen.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn weigh(scores: &mut [f32], seen: Seen, cap: Option<f32>) -> Mass {
    if let Some(cap) = cap {
        scores.iter_mut().for_each(|score| *score = soft_cap(*score, cap));
    }
    scores[..seen.first].fill(f32::NEG_INFINITY);
    scores[seen.last + 1..].fill(f32::NEG_INFINITY);
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
    Mass { max, sum: sums.iter().sum() }
}
