//! `D (gate(G f(x)) * U f(x)) (+ x)`: the feed-forward part of a layer.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, D, Device, Layout, Result, Shape, Tensor, bail};

use crate::activation::Activations;
use crate::dispatch::for_each_isa;
use crate::format::{BLOCK_LEN, TILE};
use crate::linear::add_all;
use crate::packed::PackedWeights;
use crate::product::Product;
use crate::row_argument::rows_of;
use crate::row_group::ROWS;
use crate::shared::SharedSlice;
use crate::tile::for_each_group;
use crate::{Gate, Input, Isa, Linear, LowRankStack, Pool};

/// Rows of the batch whose projections an adapter changes.
#[derive(Clone, Debug)]
pub struct AdaptedRows<'a> {
    /// The rows.
    pub span: Range<usize>,
    /// Added to the gates, and behind [`FeedForward::padded`] outputs to the ups.
    pub gate_up: &'a LowRankStack,
    /// Added to the down projection.
    pub down: &'a LowRankStack,
}

/// Tiles that give one block of the down projection's inputs: gates, ups, gates, ups.
const TILES: usize = 2 * BLOCK_LEN / TILE;

/// Gate, up and down projections.
#[derive(Clone, Debug)]
pub enum FeedForward {
    /// On the CPU: the tiles of gate and up take turns, so that both are computed together and what joins them goes straight into
    /// the form that the down projection reads.
    Packed {
        /// Gate `i` is output [`FeedForward::place`]`(0, i)`, up `i` is output `place(1, i)`; what lies between is 0.
        gate_up: Arc<PackedWeights>,
        /// In the same order.
        gate_up_bias: Option<Arc<[f32]>>,
        /// `[hidden, width]`.
        down: Arc<PackedWeights>,
        /// `[hidden]`.
        down_bias: Option<Arc<[f32]>>,
        /// What the gates go through.
        gate: Gate,
        /// Who computes.
        pool: Arc<Pool>,
    },
    /// On any device: plain candle. The twin of the packed form.
    Dense {
        /// What the gates go through.
        gate: Gate,
        /// Gates, then ups: `[2 * width, hidden]`.
        gate_up: Linear,
        /// `[hidden, width]`.
        down: Linear,
    },
}

impl FeedForward {
    /// The output of the packed matrix that is row `i` of the gates (`part` 0) or the ups (`part` 1).
    pub fn place(part: usize, i: usize) -> usize {
        (2 * (i / TILE) + part) * TILE + i % TILE
    }

    /// The part and the row that are this output of the packed matrix; rows behind the last are padding.
    pub fn source(output: usize) -> (usize, usize) {
        let tile = output / TILE;
        (tile % 2, tile / 2 * TILE + output % TILE)
    }

    /// Outputs of the packed matrix for `width` gates.
    pub fn packed_outputs(width: usize) -> usize {
        2 * width.div_ceil(BLOCK_LEN) * BLOCK_LEN
    }

    /// Where the ups begin in an addition to gates and ups: `width`, rounded up to whole blocks.
    pub fn padded(width: usize) -> usize {
        width.div_ceil(BLOCK_LEN) * BLOCK_LEN
    }

    /// `[rows, hidden]` to as many, `input` being applied before the projections and, where `residual` says so, `x` itself added behind
    /// them; the spans of `adapted` do not overlap and are in order.
    ///
    /// # Errors
    /// If a shape does not agree.
    pub fn forward(&self, x: &Tensor, input: Input<'_>, residual: bool, adapted: &[AdaptedRows<'_>]) -> Result<Tensor> {
        match self {
            Self::Packed { gate_up, gate_up_bias, down, down_bias, gate, pool } => {
                x.apply_op1_no_bwd(&PackedFeedForward {
                    input,
                    residual,
                    gate: *gate,
                    gate_up: Product { weights: gate_up, pool },
                    gate_up_bias: gate_up_bias.as_deref(),
                    down: Product { weights: down, pool },
                    down_bias: down_bias.as_deref(),
                    adapted,
                })
            }
            Self::Dense { gate: function, gate_up, down } => {
                let width = gate_up.outputs() / 2;
                let padding = Self::padded(width) - width;
                let read = input.twin(x)?;
                let both = gate_up.forward(&read, Input::Plain, None)?;
                let mut gate = both.narrow(D::Minus1, 0, width)?.contiguous()?;
                let mut up = both.narrow(D::Minus1, width, width)?.contiguous()?;
                for rows in adapted {
                    let none = gate.pad_with_zeros(D::Minus1, 0, width + 2 * padding)?.zeros_like()?;
                    let added = rows.gate_up.twin(&none, &read, &rows.span)?;
                    gate = (gate + added.narrow(D::Minus1, 0, width)?)?;
                    up = (up + added.narrow(D::Minus1, width + padding, width)?)?;
                }
                let joined = (function.twin(&gate)? * up)?;
                let mut out = down.forward(&joined, Input::Plain, residual.then_some(x))?;
                for rows in adapted {
                    out = rows.down.twin(&out, &joined, &rows.span)?;
                }
                Ok(out)
            }
        }
    }

    /// The twin of packed matrices: the same numbers, multiplied by plain candle on the CPU.
    ///
    /// # Errors
    /// If candle refuses the matrices.
    pub fn twin(&self) -> Result<Self> {
        let Self::Packed { gate_up, gate_up_bias, down, down_bias, gate, pool } = self else { return Ok(self.clone()) };
        let width = down.inputs();
        let order = || (0..2).flat_map(|part| (0..width).map(move |i| Self::place(part, i)));
        let mut values = Vec::with_capacity(2 * width * gate_up.inputs());
        let mut row = vec![0.0; gate_up.inputs()];
        for place in order() {
            gate_up.row(place, &mut row);
            values.extend_from_slice(&row);
        }
        let weight = Tensor::from_vec(values, (2 * width, gate_up.inputs()), &Device::Cpu)?;
        let bias = gate_up_bias.as_deref().map(|bias| order().map(|place| bias[place]).collect::<Vec<_>>());
        let bias = bias.map(|bias| Tensor::from_vec(bias, 2 * width, &Device::Cpu)).transpose()?;
        let down = Linear::Packed { weights: Arc::clone(down), bias: down_bias.clone(), pool: Arc::clone(pool) };
        Ok(Self::Dense { gate: *gate, gate_up: Linear::Dense { weight, bias }, down: down.twin()? })
    }

    /// Bytes of weights held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Packed { gate_up, down, .. } => gate_up.bytes() + down.bytes(),
            Self::Dense { gate_up, down, .. } => gate_up.bytes() + down.bytes(),
        }
    }
}

struct PackedFeedForward<'a> {
    input: Input<'a>,
    residual: bool,
    gate: Gate,
    gate_up: Product<'a>,
    gate_up_bias: Option<&'a [f32]>,
    down: Product<'a>,
    down_bias: Option<&'a [f32]>,
    adapted: &'a [AdaptedRows<'a>],
}

/// What an adapter needs of the rows from `first` on: the additions to their gates and ups, and what joined them, in single
/// precision.
struct Tail<'a> {
    first: usize,
    /// `[rows, 2 * padded]`.
    added: &'a [f32],
    /// `[rows, padded]`.
    joined: &'a SharedSlice<'a, f32>,
    padded: usize,
    gate: Gate,
}

impl CustomOp1 for PackedFeedForward<'_> {
    fn name(&self) -> &'static str {
        "packed-feed-forward"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let hidden = self.down.weights.outputs();
        let (rows, x) = rows_of("feed-forward", x, layout, hidden)?;
        if let Some(last) = self.adapted.last()
            && last.span.end > rows
        {
            bail!("feed-forward: an adapter of rows {:?} of {rows}", last.span)
        }
        let out = match self.adapted.first() {
            None => add_all(&self.down, rows, &self.joined(rows, x, None), self.down_bias, self.residual.then_some(x)),
            Some(first) => self.run_adapted(first.span.start, rows, x),
        };
        Ok((CpuStorage::F32(out), Shape::from((rows, hidden))))
    }
}

impl PackedFeedForward<'_> {
    /// As without adapters, and what they add to their rows, which begin at `first`.
    fn run_adapted(&self, first: usize, rows: usize, x: &[f32]) -> Vec<f32> {
        let (hidden, width, padded) =
            (self.down.weights.outputs(), self.down.weights.inputs(), FeedForward::padded(self.down.weights.inputs()));
        let (pool, isa) = (self.down.pool, self.down.pool.isa());
        let mut added = vec![0.0; (rows - first) * 2 * padded];
        let shared = SharedSlice::new(&mut added);
        for AdaptedRows { span, gate_up, .. } in self.adapted {
            pool.run(span.len(), &|i| {
                let row = span.start + i;
                let mut read = vec![0.0; hidden];
                self.input.row(isa, &x[row * hidden..(row + 1) * hidden], &mut read);
                // SAFETY: each row belongs to one span and one task.
                gate_up.add_row(isa, &read, unsafe { shared.part((row - first) * 2 * padded, 2 * padded) });
            });
        }
        let mut joined = vec![0.0; (rows - first) * padded];
        let tail = Tail { first, added: &added, joined: &SharedSlice::new(&mut joined), padded, gate: self.gate };
        let activations = self.joined(rows, x, Some(&tail));
        let mut out = add_all(&self.down, rows, &activations, self.down_bias, self.residual.then_some(x));
        let shared = SharedSlice::new(&mut out);
        for AdaptedRows { span, down, .. } in self.adapted {
            pool.run(span.len(), &|i| {
                let row = span.start + i;
                let at = (row - first) * padded;
                // SAFETY: each row belongs to one span and one task.
                down.add_row(isa, &joined[at..at + width], unsafe { shared.part(row * hidden, hidden) });
            });
        }
        out
    }

    /// `gate * up` of all rows, ready for the down projection.
    fn joined(&self, rows: usize, x: &[f32], tail: Option<&Tail<'_>>) -> Activations {
        let (w, down, isa) = (self.gate_up.weights, self.down.weights, self.gate_up.pool.isa());
        let activations = self.gate_up.prepare(self.input, rows, x);
        Activations::fill(isa, down.is_single(), rows, down.inputs(), |joined| {
            self.gate_up.pool.run_ranges(w.tiles() / TILES, 1, &|first, last| {
                let mut values = [[0.0; BLOCK_LEN]; ROWS];
                for_each_group::<TILES>(isa, w, first..last, &activations, rows, &mut |block, row, sums| {
                    let bias = self.gate_up_bias.map(|bias| &bias[block * TILES * TILE..(block + 1) * TILES * TILE]);
                    join(isa, self.gate, sums, bias, &mut values);
                    for (i, values) in values[..sums[0].len()].iter_mut().enumerate() {
                        if let Some(tail) = tail.filter(|tail| row + i >= tail.first) {
                            tail.join(isa, row + i, block, sums.map(|sums| &sums[i]), bias, values);
                        }
                        // SAFETY: each block of each row belongs to one group of tiles and of rows.
                        unsafe { joined.put(row + i, block, values) };
                    }
                });
            });
        })
    }
}

impl Tail<'_> {
    /// Join a block of one row again, with what the adapter adds, and keep it.
    fn join(
        &self,
        isa: Isa,
        row: usize,
        block: usize,
        sums: [&[f32; TILE]; TILES],
        bias: Option<&[f32]>,
        values: &mut [f32; BLOCK_LEN],
    ) {
        let (row, at) = (row - self.first, block * BLOCK_LEN);
        let mut all = [0.0; TILES * TILE];
        if let Some(bias) = bias {
            all.copy_from_slice(bias);
        }
        let added = &self.added[row * 2 * self.padded..(row + 1) * 2 * self.padded];
        let (gates, ups) = (&added[at..at + BLOCK_LEN], &added[self.padded + at..self.padded + at + BLOCK_LEN]);
        for (half, all) in all.chunks_exact_mut(2 * TILE).enumerate() {
            let (gate, up) = all.split_at_mut(TILE);
            gate.iter_mut().zip(&gates[half * TILE..]).for_each(|(all, added)| *all += added);
            up.iter_mut().zip(&ups[half * TILE..]).for_each(|(all, added)| *all += added);
        }
        join_one(isa, self.gate, sums, &all, values);
        // SAFETY: each block of each row belongs to one group of tiles and of rows.
        unsafe { self.joined.part(row * self.padded + at, BLOCK_LEN) }.copy_from_slice(values);
    }
}

for_each_isa! {
    /// `gate * up` of one row, to whose gates and ups `added` is added.
    fn join_one(gate: Gate, sums: [&[f32; TILE]; TILES], added: &[f32; TILES * TILE], out: &mut [f32; BLOCK_LEN]) = join_one_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn join_one_body<const FUSED: bool>(
    gate: Gate,
    sums: [&[f32; TILE]; TILES],
    added: &[f32; TILES * TILE],
    out: &mut [f32; BLOCK_LEN],
) {
    for (half, pair) in sums.chunks_exact(2).enumerate() {
        let added = &added[2 * half * TILE..];
        for (j, out) in out[half * TILE..(half + 1) * TILE].iter_mut().enumerate() {
            *out = gate.at(pair[0][j] + added[j]) * (pair[1][j] + added[TILE + j]);
        }
    }
}

for_each_isa! {
    /// `gate * up` of some rows: gates, ups, gates, ups, and `bias` in the same order.
    fn join(gate: Gate, sums: [&[[f32; TILE]]; TILES], bias: Option<&[f32]>, out: &mut [[f32; BLOCK_LEN]; ROWS]) = join_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn join_body<const FUSED: bool>(
    gate: Gate,
    sums: [&[[f32; TILE]]; TILES],
    bias: Option<&[f32]>,
    out: &mut [[f32; BLOCK_LEN]; ROWS],
) {
    // One loop for each function: the choice is not made again for every value.
    match gate {
        Gate::Silu => join_with(|x| Gate::Silu.at(x), sums, bias, out),
        Gate::GeluTanh => join_with(|x| Gate::GeluTanh.at(x), sums, bias, out),
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn join_with(
    gate: impl Fn(f32) -> f32,
    sums: [&[[f32; TILE]]; TILES],
    bias: Option<&[f32]>,
    out: &mut [[f32; BLOCK_LEN]; ROWS],
) {
    let mut added = [0.0; TILES * TILE];
    if let Some(bias) = bias {
        added.copy_from_slice(bias);
    }
    for (half, pair) in sums.chunks_exact(2).enumerate() {
        let added = &added[2 * half * TILE..];
        for ((gates, ups), out) in pair[0].iter().zip(pair[1]).zip(out.iter_mut()) {
            for (j, out) in out[half * TILE..(half + 1) * TILE].iter_mut().enumerate() {
                *out = gate(gates[j] + added[j]) * (ups[j] + added[TILE + j]);
            }
        }
    }
}
