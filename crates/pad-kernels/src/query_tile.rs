//! Some queries that share a KV head, over one stretch of what they look back on.
//!
//! The past is cut into stretches of a fixed number of positions, counted from the lane's first. The softmax over each of them is
//! made alone, and they are joined in order: what a row gives depends on its position alone, whatever the rows beside it and
//! whichever thread computed which stretch.

use crate::Isa;
use crate::cell::Cell;
use crate::dispatch::{for_each_isa, mul_add};
use crate::exp::{exp, soft_cap};
use crate::kv::{BLOCK, KvLayout};

/// Sums that a score is added up in: enough to hide the latency of a multiply-add.
pub const CHAINS: usize = 4;

/// Blocks in a stretch.
pub const STRETCH: usize = 16;

/// What lies behind the values of a query's part: its greatest score, and the sum of its weights relative to that.
pub const TAIL: usize = 2;

/// A lane's past at one KV head.
#[derive(Clone, Copy)]
pub struct Past<'a, C> {
    /// The layer's cache, `[blocks, block_len]`.
    pub cache: &'a [C],
    /// Its shape.
    pub layout: KvLayout,
    /// The KV head.
    pub kv_head: usize,
    /// The lane's blocks, in order.
    pub blocks: &'a [u32],
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
}

impl<'a, C: Cell> Past<'a, C> {
    /// Keys `[head_dim][BLOCK]` and values `[BLOCK][head_dim]` of block `index` of the lane.
    pub fn block(&self, index: usize) -> (&'a [C], &'a [C]) {
        let start = self.blocks[index] as usize * self.layout.block_len() + self.kv_head * self.layout.head_len();
        self.cache[start..start + self.layout.head_len()].split_at(self.layout.head_dim * BLOCK)
    }
}

/// The positions that a row sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The first.
    pub first: usize,
    /// The last, its own.
    pub last: usize,
}

impl Seen {
    /// The stretches in which they lie.
    pub fn stretches(self) -> std::ops::Range<usize> {
        self.first / (STRETCH * BLOCK)..self.last / (STRETCH * BLOCK) + 1
    }

    /// All positions that any of these rows sees.
    pub fn of_all(rows: &[Self]) -> Self {
        let first = rows.iter().map(|seen| seen.first).min().unwrap_or(0);
        Self { first, last: rows.iter().map(|seen| seen.last).max().unwrap_or(0) }
    }

    /// Those that lie in a stretch, if any do.
    pub fn within(self, stretch: usize) -> Option<Self> {
        let start = stretch * STRETCH * BLOCK;
        let (first, last) = (self.first.max(start), self.last.min(start + STRETCH * BLOCK - 1));
        (first <= last).then_some(Self { first, last })
    }
}

/// What some rows' queries of one KV head see of one stretch.
pub struct QueryTile<'a, 'b, C> {
    /// `[queries, head_dim]`, rotated and scaled: of each row as many as share the KV head.
    pub queries: &'a [f32],
    /// What each row sees.
    pub rows: &'a [Seen],
    /// The lane's past.
    pub past: Past<'b, C>,
    /// The stretch.
    pub stretch: usize,
}

impl<C: Cell> QueryTile<'_, '_, C> {
    /// The blocks of the stretch that any row sees.
    pub fn blocks(&self) -> std::ops::Range<usize> {
        match self.all().within(self.stretch) {
            Some(seen) => seen.first / BLOCK..seen.last / BLOCK + 1,
            None => 0..0,
        }
    }

    /// The places in a block that any row sees.
    pub fn places(&self, block: usize) -> std::ops::Range<usize> {
        let Seen { first, last } = self.all();
        first.saturating_sub(block * BLOCK)..BLOCK.min(last + 1 - block * BLOCK)
    }

    fn all(&self) -> Seen {
        Seen::of_all(self.rows)
    }

    /// What a query sees of the stretch, counted from the first of [`Self::blocks`].
    pub fn seen(&self, query: usize) -> Option<Seen> {
        let start = self.blocks().start * BLOCK;
        let seen = self.rows[query / self.past.layout.group()].within(self.stretch)?;
        Some(Seen { first: seen.first - start, last: seen.last - start })
    }

    /// Write each query's part `[queries, head_dim + TAIL]`: the sum of the values, each weighed with `exp(score - greatest score)`;
    /// the greatest score; the sum of the weights. `scores` is scratch.
    pub fn attend(&self, isa: Isa, scores: &mut Vec<f32>, parts: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if isa == Isa::Avx512 && self.past.layout.head_dim.is_multiple_of(16) {
            return crate::query_tile_avx512::attend(self, scores, parts);
        }
        attend_plain(isa, self, scores, parts);
    }
}

for_each_isa! {
    fn attend_plain[C: Cell](tile: &QueryTile<'_, '_, C>, scores: &mut Vec<f32>, parts: &mut [f32]) = attend_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn attend_body<const FUSED: bool, C: Cell>(tile: &QueryTile<'_, '_, C>, scores: &mut Vec<f32>, parts: &mut [f32]) {
    let head_dim = tile.past.layout.head_dim;
    let blocks = tile.blocks();
    scores.resize(blocks.len() * BLOCK, 0.0);
    let queries = tile.queries.chunks_exact(head_dim).enumerate();
    for ((index, query), part) in queries.zip(parts.chunks_exact_mut(head_dim + TAIL)) {
        for (block, scores) in blocks.clone().zip(scores.chunks_exact_mut(BLOCK)) {
            let mut chains = [[0.0_f32; BLOCK]; CHAINS];
            for (d, (q, keys)) in query.iter().zip(tile.past.block(block).0.chunks_exact(BLOCK)).enumerate() {
                for (sum, key) in chains[d % CHAINS].iter_mut().zip(keys) {
                    *sum = mul_add::<FUSED>(*q, key.value(), *sum);
                }
            }
            for (j, score) in scores.iter_mut().enumerate() {
                *score = (chains[0][j] + chains[1][j]) + (chains[2][j] + chains[3][j]);
            }
        }
        let (out, tail) = part.split_at_mut(head_dim);
        tail.copy_from_slice(&weigh(scores, tile.seen(index), tile.past.soft_cap));
        out.fill(0.0);
        for (block, weights) in blocks.clone().zip(scores.chunks_exact(BLOCK)) {
            let (values, places) = (tile.past.block(block).1, tile.places(block));
            let values = values[places.start * head_dim..].chunks_exact(head_dim);
            for (weight, values) in weights[places].iter().zip(values) {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = mul_add::<FUSED>(*weight, value.value(), *out);
                }
            }
        }
    }
}

/// Turn scores, capped where there is a cap, into `exp(score - greatest)`, 0 for what is not seen; the greatest, and their sum.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub fn weigh(scores: &mut [f32], seen: Option<Seen>, cap: Option<f32>) -> [f32; TAIL] {
    let Some(Seen { first, last }) = seen else {
        scores.fill(0.0);
        return [f32::NEG_INFINITY, 0.0];
    };
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
    [max, sums.iter().sum()]
}

/// Join a query's part of the next stretch to what it has of the stretches before: `[head_dim + TAIL]` each.
pub fn join(total: &mut [f32], next: &[f32]) {
    let head_dim = total.len() - TAIL;
    let (max, other) = (total[head_dim], next[head_dim]);
    if other == f32::NEG_INFINITY {
        return;
    }
    if max == f32::NEG_INFINITY {
        total.copy_from_slice(next);
        return;
    }
    let greatest = if other > max { other } else { max };
    let (a, b) = (exp(max - greatest), exp(other - greatest));
    for (total, next) in total.iter_mut().zip(next) {
        *total = *total * a + *next * b;
    }
    total[head_dim] = greatest;
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn number(i: usize) -> f32 {
        ((i * 7919 % 2003) as f32 - 1000.0) / 700.0
    }

    /// The parts of `rows` beside one another, over all stretches.
    fn run<C: Cell>(
        isa: Isa,
        cache: &[C],
        layout: KvLayout,
        rows: &[Seen],
        cap: Option<f32>,
        queries: &[f32],
    ) -> Vec<f32> {
        let blocks: Vec<u32> = (0..40).map(|i| (i * 7 + 3) % 40).collect();
        let past = Past { cache, layout, kv_head: 1, blocks: &blocks, soft_cap: cap };
        let width = layout.head_dim + TAIL;
        let mut total = vec![f32::NEG_INFINITY; queries.len() / layout.head_dim * width];
        let (mut part, mut scores) = (vec![f32::NAN; total.len()], vec![9.0; 3]);
        for stretch in Seen::of_all(rows).stretches() {
            QueryTile { queries, rows, past, stretch }.attend(isa, &mut scores, &mut part);
            total.chunks_exact_mut(width).zip(part.chunks_exact(width)).for_each(|(total, part)| join(total, part));
        }
        total
    }

    /// Heads of 1 to 7 to a group, rows of all kinds together: several stretches, a window, a cap.
    fn alone_and_together_on_every_set<C: Cell>() {
        for (group, head_dim) in [(3, 64), (4, 128), (7, 64), (1, 16), (2, 80), (2, 24)] {
            let layout = KvLayout { heads: 2 * group, kv_heads: 2, head_dim };
            let cache: Vec<C> = (0..40 * layout.block_len()).map(|i| C::of(number(i))).collect();
            let causal: Vec<Seen> = [0, 1, 15, 16, 255, 256, 600].map(|last| Seen { first: 0, last }).to_vec();
            let window: Vec<Seen> = (250..262).map(|last| Seen { first: last - 19, last }).collect();
            for (rows, cap) in [(&causal, None), (&window, Some(2.0)), (&window, None)] {
                let queries: Vec<f32> = (0..rows.len() * group * head_dim).map(|i| number(3 * i) / 4.0).collect();
                let sets = Isa::available();
                let want = run(*sets.get(1).unwrap_or(&Isa::Portable), &cache, layout, rows, cap, &queries);
                for &isa in sets {
                    let together = run(isa, &cache, layout, rows, cap, &queries);
                    for (row, seen) in rows.iter().enumerate() {
                        let queries = &queries[row * group * head_dim..(row + 1) * group * head_dim];
                        let alone = run(isa, &cache, layout, &[*seen], cap, queries);
                        let width = alone.len();
                        assert_eq!(together[row * width..(row + 1) * width], alone, "{isa:?}, row {row} of {layout:?}");
                    }
                    if isa == Isa::Portable {
                        let close = together.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0));
                        assert!(close, "{layout:?}");
                    } else {
                        assert_eq!(together, want, "{isa:?}, {layout:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_beside_others_on_every_set() {
        alone_and_together_on_every_set::<f32>();
        alone_and_together_on_every_set::<f16>();
    }
}
