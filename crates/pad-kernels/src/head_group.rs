//! Attention of the query heads of one row that share a KV head, over all positions that the row attends to.

use crate::Isa;
use crate::cell::Cell;
use crate::dispatch::{for_each_isa, mul_add};
use crate::kv_layout::BLOCK;
use crate::past::{CHAINS, Past, weigh};

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
            if C::FORMAT.has_scales() {
                scores.iter_mut().zip(past.key_scales(index)).for_each(|(score, scale)| *score *= scale);
            }
        }
        let sum = weigh(scores, past.first, past.last, past.soft_cap);
        past.in_value_scales(scores);
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::AttentionRule;
    use crate::kv_layout::KvLayout;
    use half::f16;

    /// Five blocks of cells; scales of about a hundredth where there are any, so that numbers are of the same size in every format.
    fn numbers<C: Cell>(layout: KvLayout, number: impl Fn(usize) -> f32) -> Vec<C> {
        let (scaled, len) = (C::FORMAT.has_scales(), layout.head_len());
        let mut cells = Vec::new();
        for head in 0..5 * layout.kv_heads {
            let numbers = (0..len).map(|i| C::of(number(head * len + i) * if scaled { 80.0 } else { 1.0 }));
            let mut part: Vec<C> = numbers.collect();
            part.resize(C::FORMAT.head_cells(layout), C::of(0.0));
            let (keys, values) = part[len..].split_at_mut((C::FORMAT.head_cells(layout) - len) / 2);
            for slot in 0..BLOCK {
                C::set_scale(keys, slot, (1.0 + number(head + 7 * slot)) / 150.0);
                C::set_scale(values, slot, (1.0 + number(head + 11 * slot)) / 150.0);
            }
            cells.extend(part);
        }
        cells
    }

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
            let cache: Vec<C> = numbers(layout, number);
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
    fn the_same_bit_for_bit_in_every_format() {
        same_on_every_set::<f32>();
        same_on_every_set::<f16>();
        same_on_every_set::<u8>();
    }
}
