//! Attention of the query heads of one row that share a KV head, over all positions that the row attends to.

use std::ops::Range;

use crate::cell::Cell;
use crate::dispatch::{for_each_isa, mul_add};
use crate::exp::{exp, soft_cap};
use crate::kv::{BLOCK, KvLayout};
use crate::{AttentionRule, Isa};

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

/// `out = softmax(queries keys^T) values` for some heads: `queries` and `out` are `[heads, head_dim]`, the queries rotated and
/// scaled; `scores` is scratch. Every sum has an order that depends on the row's position alone.
pub fn attend<C: Cell>(isa: Isa, queries: &[f32], past: &Past<'_, C>, scores: &mut Vec<f32>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 && past.layout.head_dim.is_multiple_of(16) {
        return crate::head_group_avx512::attend(queries, past, scores, out);
    }
    attend_plain(isa, queries, past, scores, out);
}

for_each_isa! {
    fn attend_plain[C: Cell](queries: &[f32], past: &Past<'_, C>, scores: &mut Vec<f32>, out: &mut [f32]) = attend_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn attend_body<const FUSED: bool, C: Cell>(
    queries: &[f32],
    past: &Past<'_, C>,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let head_dim = past.layout.head_dim;
    scores.resize(past.len() * BLOCK, 0.0);
    for (query, out) in queries.chunks_exact(head_dim).zip(out.chunks_exact_mut(head_dim)) {
        for (index, scores) in scores.chunks_exact_mut(BLOCK).enumerate() {
            let mut chains = [[0.0_f32; BLOCK]; CHAINS];
            for (d, (q, keys)) in query.iter().zip(past.block(index).0.chunks_exact(BLOCK)).enumerate() {
                for (sum, key) in chains[d % CHAINS].iter_mut().zip(keys) {
                    *sum = mul_add::<FUSED>(*q, key.value(), *sum);
                }
            }
            for (j, score) in scores.iter_mut().enumerate() {
                *score = (chains[0][j] + chains[1][j]) + (chains[2][j] + chains[3][j]);
            }
        }
        let sum = weigh(scores, past.first, past.last, past.soft_cap);
        out.fill(0.0);
        for (index, weights) in scores.chunks_exact(BLOCK).enumerate() {
            let (values, seen) = (past.block(index).1, past.seen(index));
            let values = values[seen.start * head_dim..].chunks_exact(head_dim);
            for (weight, values) in weights[seen].iter().zip(values) {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = mul_add::<FUSED>(*weight, value.value(), *out);
                }
            }
        }
        out.iter_mut().for_each(|out| *out /= sum);
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use half::f16;

    /// Heads of 3, 4 and 7 to a group, several blocks, the last one partly seen.
    fn same_on_every_set<C: Cell>() {
        for ((group, head_dim, position), (window, soft_cap)) in
            [(3, 64, 70), (4, 128, 15), (7, 64, 16), (1, 16, 0), (2, 80, 33), (2, 24, 40)].into_iter().flat_map(
                |shape| {
                    [(None, None), (NonZeroUsize::new(20), None), (NonZeroUsize::new(1), Some(2.0))]
                        .map(|rule| (shape, rule))
                },
            )
        {
            let rule = AttentionRule { soft_cap, window, ..AttentionRule::usual(head_dim) };
            let layout = KvLayout { heads: 2 * group, kv_heads: 2, head_dim };
            let blocks = [3, 0, 4, 1, 2];
            let number = |i: usize| ((i * 7919 % 2003) as f32 - 1000.0) / 700.0;
            let cache: Vec<C> = (0..5 * layout.block_len()).map(|i| C::of(number(i))).collect();
            let queries: Vec<f32> = (0..group * head_dim).map(|i| number(3 * i) / 4.0).collect();
            let past = Past::new(&cache, layout, &rule, 1, &blocks, position);
            let run = |isa| {
                let (mut out, mut scores) = (vec![0.0; queries.len()], vec![9.0; 3]);
                attend(isa, &queries, &past, &mut scores, &mut out);
                out
            };
            let sets = Isa::available();
            if let Some(fused) = sets.get(1) {
                let want = run(*fused);
                for isa in &sets[1..] {
                    assert_eq!(run(*isa), want, "{isa:?}, {group} heads of {head_dim}");
                }
                let close = run(Isa::Portable).iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(close, "{group} heads of {head_dim}");
            }
        }
    }

    #[test]
    fn the_same_bit_for_bit_in_single_and_half_precision() {
        same_on_every_set::<f32>();
        same_on_every_set::<f16>();
    }
}
