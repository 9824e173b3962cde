//! Attention of queries of one KV head over a part of their lane: those of the heads that share it, of one row or of several.

use crate::Isa;
use crate::cell::Cell;
use crate::dispatch::{for_each_isa, mul_add};
use crate::kv_layout::BLOCK;
use crate::part::{CHAINS, Mass, PART, Part, Scratch, Seen};

/// For each query `out = sum_j exp(score_j - max) value_j` over what it sees of a part, and the mass of that: `queries` and `out` are
/// `[queries, head_dim]`, the queries rotated and scaled. Every sum has an order that depends on the positions alone.
pub fn attend<C: Cell>(
    isa: Isa,
    queries: &[f32],
    part: &Part<'_, C>,
    seen: &[Seen],
    scratch: &mut Scratch,
    out: &mut [f32],
    masses: &mut [Mass],
) {
    let (head_dim, count) = (part.layout.head_dim, seen.len());
    assert!(queries.len() == count * head_dim && out.len() == queries.len() && masses.len() == count);
    assert!(part.len() * BLOCK <= PART, "one part");
    assert!(seen.iter().all(|seen| seen.first <= seen.last && seen.last < part.len() * BLOCK), "inside the part");
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 && head_dim.is_multiple_of(16) && head_dim <= crate::query_group_avx512::MOST_DIM {
        return crate::query_group_avx512::attend(queries, part, seen, scratch, out, masses);
    }
    attend_plain(isa, queries, part, seen, scratch, out, masses);
}

for_each_isa! {
    fn attend_plain[C: Cell](
        queries: &[f32],
        part: &Part<'_, C>,
        seen: &[Seen],
        scratch: &mut Scratch,
        out: &mut [f32],
        masses: &mut [Mass],
    ) = attend_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn attend_body<const FUSED: bool, C: Cell>(
    queries: &[f32],
    part: &Part<'_, C>,
    seen: &[Seen],
    scratch: &mut Scratch,
    out: &mut [f32],
    masses: &mut [Mass],
) {
    let head_dim = part.layout.head_dim;
    scratch.scores.resize(part.len() * BLOCK, 0.0);
    let scores = &mut scratch.scores[..part.len() * BLOCK];
    let each = queries.chunks_exact(head_dim).zip(out.chunks_exact_mut(head_dim)).zip(seen).zip(masses);
    for (((query, out), seen), mass) in each {
        for (index, scores) in scores.chunks_exact_mut(BLOCK).enumerate() {
            let mut chains = [[0.0_f32; BLOCK]; CHAINS];
            for (d, (q, keys)) in query.iter().zip(part.block(index).0.chunks_exact(BLOCK)).enumerate() {
                for (sum, key) in chains[d % CHAINS].iter_mut().zip(keys) {
                    *sum = mul_add::<FUSED>(*q, key.value(), *sum);
                }
            }
            for (j, score) in scores.iter_mut().enumerate() {
                *score = (chains[0][j] + chains[1][j]) + (chains[2][j] + chains[3][j]);
            }
            if C::FORMAT.has_scales() {
                scores.iter_mut().zip(part.key_scales(index)).for_each(|(score, scale)| *score *= scale);
            }
        }
        *mass = part.weigh(scores, *seen);
        out.fill(0.0);
        for (index, weights) in scores.chunks_exact(BLOCK).enumerate() {
            let (values, seen) = (part.block(index).1, seen.within(index));
            let values = values[seen.start * head_dim..].chunks_exact(head_dim);
            for (weight, values) in weights[seen].iter().zip(values) {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = mul_add::<FUSED>(*weight, value.value(), *out);
                }
            }
        }
    }
}

/// What a query's softmax over several parts gives: `out = sum_p f_p part_p / sum_p f_p sum_p` with `f_p = exp(max_p - max)`, in the
/// order of the parts.
pub fn join<'a>(isa: Isa, parts: impl Iterator<Item = (&'a [f32], Mass)> + Clone, out: &mut [f32]) {
    let max = parts.clone().fold(f32::NEG_INFINITY, |max, (_, mass)| if mass.max > max { mass.max } else { max });
    let mut sum = 0.0;
    out.fill(0.0);
    for (part, mass) in parts {
        add(isa, out, part, mass, max, &mut sum);
    }
    divide(isa, out, sum);
}

for_each_isa! {
    fn add(out: &mut [f32], part: &[f32], mass: Mass, max: f32, sum: &mut f32) = add_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn add_body<const FUSED: bool>(out: &mut [f32], part: &[f32], mass: Mass, max: f32, sum: &mut f32) {
    let factor = crate::exp::exp(mass.max - max);
    *sum = mul_add::<FUSED>(factor, mass.sum, *sum);
    out.iter_mut().zip(part).for_each(|(out, part)| *out = mul_add::<FUSED>(factor, *part, *out));
}

for_each_isa! {
    /// Divide all by one number.
    pub fn divide(out: &mut [f32], by: f32) = divide_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn divide_body<const FUSED: bool>(out: &mut [f32], by: f32) {
    out.iter_mut().for_each(|out| *out /= by);
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// One query and up to 27 of them, which see different things, several blocks, the last one partly seen.
    fn same_on_every_set<C: Cell>() {
        for (count, head_dim, last) in
            [(3, 64, 70), (4, 128, 15), (7, 64, 16), (1, 16, 0), (13, 80, 33), (27, 24, 40), (12, 32, 79)]
        {
            for (back, soft_cap) in [(80, None), (20, None), (1, Some(2.0))] {
                let layout = KvLayout { heads: 2, kv_heads: 2, head_dim };
                let number = |i: usize| ((i * 7919 % 2003) as f32 - 1000.0) / 700.0;
                let cache: Vec<C> = numbers(layout, number);
                let queries: Vec<f32> = (0..count * head_dim).map(|i| number(3 * i) / 4.0).collect();
                let blocks = &[3, 0, 4, 1, 2][..=last / BLOCK];
                let part = Part { cache: &cache, layout, kv_head: 1, blocks, soft_cap };
                // Later queries see more, as rows of a prompt do.
                let seen: Vec<Seen> = (0..count)
                    .map(|query| last - (count - 1 - query).min(last))
                    .map(|last| Seen { first: (last + 1).saturating_sub(back), last })
                    .collect();
                let run = |isa, alone: bool| {
                    let (mut out, mut masses) = (vec![9.0; queries.len()], vec![Mass::default(); count]);
                    let mut scratch = Scratch { scores: vec![9.0; 3], queries: vec![] };
                    let step = if alone { 1 } else { count };
                    for at in (0..count).step_by(step) {
                        let (from, to) = (at * head_dim, (at + step) * head_dim);
                        let (out, masses) = (&mut out[from..to], &mut masses[at..at + step]);
                        attend(isa, &queries[from..to], &part, &seen[at..at + step], &mut scratch, out, masses);
                    }
                    (out, masses)
                };
                let sets = Isa::available();
                if let Some(fused) = sets.get(1) {
                    let want = run(*fused, true);
                    for isa in &sets[1..] {
                        assert!(run(*isa, false) == want, "{isa:?}, {count} queries of {head_dim}");
                        assert!(run(*isa, true) == want, "{isa:?}, single queries of {head_dim}");
                    }
                    let close = run(Isa::Portable, false).0.iter().zip(&want.0).all(|(a, b)| (a - b).abs() < 1e-4);
                    assert!(close, "{count} queries of {head_dim}");
                }
            }
        }
    }

    #[test]
    fn the_same_bit_for_bit_in_every_format() {
        same_on_every_set::<f32>();
        same_on_every_set::<f16>();
        same_on_every_set::<u8>();
    }

    #[test]
    fn parts_join_to_one_softmax() {
        // exp(1), exp(3) and exp(2) times 10, 20 and 30.
        let parts = [
            (vec![10.0 + 20.0 * 2_f32.exp()], Mass { max: 1.0, sum: 1.0 + 2_f32.exp() }),
            (vec![30.0], Mass { max: 2.0, sum: 1.0 }),
        ];
        let total = 1_f32.exp() + 3_f32.exp() + 2_f32.exp();
        let want = (10.0 * 1_f32.exp() + 20.0 * 3_f32.exp() + 30.0 * 2_f32.exp()) / total;
        for isa in Isa::available() {
            let mut out = [7.0];
            join(*isa, parts.iter().map(|(part, mass)| (&part[..], *mass)), &mut out);
            assert!((out[0] - want).abs() < 1e-5, "{isa:?}: {out:?} {want}");
        }
    }
}
