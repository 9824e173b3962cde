//! Elementwise operations of the training on rows, as vector loops.

use crate::dispatch::for_each_isa;
use crate::exp::exp;
use crate::{Gate, Isa};

/// Replaces every number of `row` by `e^(x - max)` and gives their sum.
pub fn exponentials(isa: Isa, row: &mut [f32], max: f32) -> f32 {
    let mut sum = 0.0;
    exponentials_of(isa, row, max, &mut sum);
    sum
}

/// The largest number of a row; minus infinity for an empty one.
pub fn largest(isa: Isa, row: &[f32]) -> f32 {
    let mut max = f32::NEG_INFINITY;
    largest_of(isa, row, &mut max);
    max
}

for_each_isa! {
    fn exponentials_of(row: &mut [f32], max: f32, sum: &mut f32) = exponentials_body
}

for_each_isa! {
    fn largest_of(row: &[f32], max: &mut f32) = largest_body
}

for_each_isa! {
    /// `out = f(gate) * up` with the function of the gates.
    pub fn gated(function: Gate, gate: &[f32], up: &[f32], out: &mut [f32]) = gated_body
}

for_each_isa! {
    /// The gradients of [`gated`]: `d_gate = d_out * up * f'(gate)` and `d_up = d_out * f(gate)`.
    pub fn gated_back(function: Gate, gate: &[f32], up: &[f32], d_out: &[f32], d_gate: &mut [f32], d_up: &mut [f32])
        = gated_back_body
}

const LANES: usize = 16;

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn exponentials_body<const FUSED: bool>(row: &mut [f32], max: f32, sum: &mut f32) {
    let mut sums = [0.0_f32; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (x, s) in chunk.iter_mut().zip(&mut sums) {
            *x = exp(*x - max);
            *s += *x;
        }
    }
    *sum = sums.iter().sum();
    for x in rest {
        *x = exp(*x - max);
        *sum += *x;
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn largest_body<const FUSED: bool>(row: &[f32], max: &mut f32) {
    let mut best = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (x, b) in chunk.iter().zip(&mut best) {
            *b = if *x > *b { *x } else { *b };
        }
    }
    *max = best.iter().chain(rest).fold(f32::NEG_INFINITY, |m, x| m.max(*x));
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn gated_body<const FUSED: bool>(function: Gate, gate: &[f32], up: &[f32], out: &mut [f32]) {
    let items = gate.iter().zip(up).zip(out);
    // One loop for each function.
    match function {
        Gate::Silu => items.for_each(|((g, u), o)| *o = Gate::Silu.at(*g) * u),
        Gate::GeluTanh => items.for_each(|((g, u), o)| *o = Gate::GeluTanh.at(*g) * u),
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn gated_back_body<const FUSED: bool>(
    function: Gate,
    gate: &[f32],
    up: &[f32],
    d_out: &[f32],
    d_gate: &mut [f32],
    d_up: &mut [f32],
) {
    let items = gate.iter().zip(up).zip(d_out).zip(d_gate).zip(d_up);
    match function {
        Gate::Silu => items.for_each(|((((g, u), d), dg), du)| {
            *dg = d * u * Gate::Silu.slope(*g);
            *du = d * Gate::Silu.at(*g);
        }),
        Gate::GeluTanh => items.for_each(|((((g, u), d), dg), du)| {
            *dg = d * u * Gate::GeluTanh.slope(*g);
            *du = d * Gate::GeluTanh.at(*g);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 29) % 41) as f32 / 8.0 - 2.5).collect()
    }

    #[test]
    fn sums_and_maxima_on_every_instruction_set() {
        for isa in Isa::available() {
            for len in [0, 1, 15, 16, 100] {
                let values = row(len);
                let max = largest(*isa, &values);
                assert_eq!(max, values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let mut got = values.clone();
                let sum = exponentials(*isa, &mut got, 1.0);
                let want: Vec<f32> = values.iter().map(|x| (x - 1.0).exp()).collect();
                assert!(got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-5 * w));
                assert!((sum - want.iter().sum::<f32>()).abs() <= 1e-4 * sum, "{isa:?} {len}");
            }
        }
    }

    #[test]
    fn the_gates_gradient_is_the_difference_quotient() {
        let (gate, up) = (row(37), row(40)[3..].to_vec());
        let functions = [Gate::Silu, Gate::GeluTanh];
        for (isa, function) in Isa::available().iter().flat_map(|isa| functions.map(|function| (isa, function))) {
            let value = |gate: &[f32], up: &[f32]| {
                let mut out = vec![0.0; 37];
                gated(*isa, function, gate, up, &mut out);
                out
            };
            let (mut d_gate, mut d_up) = (vec![0.0; 37], vec![0.0; 37]);
            gated_back(*isa, function, &gate, &up, &[1.0; 37], &mut d_gate, &mut d_up);
            let step = 1e-2;
            let moved = |values: &[f32], by: f32| -> Vec<f32> { values.iter().map(|x| x + by).collect() };
            let slope = |high: &[f32], low: &[f32], i: usize| (high[i] - low[i]) / (2.0 * step);
            let (gh, gl) = (value(&moved(&gate, step), &up), value(&moved(&gate, -step), &up));
            let (uh, ul) = (value(&gate, &moved(&up, step)), value(&gate, &moved(&up, -step)));
            for i in 0..37 {
                assert!((d_gate[i] - slope(&gh, &gl, i)).abs() < 1e-3, "{isa:?} gate {i}");
                assert!((d_up[i] - slope(&uh, &ul, i)).abs() < 1e-3, "{isa:?} up {i}");
            }
        }
    }
}
