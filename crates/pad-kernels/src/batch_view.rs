//! The ragged batch: rows of different lanes at different positions.

use std::sync::OnceLock;

use candle_core::{Device, Result, Tensor, bail};

use crate::kv_layout::BLOCK;
use crate::{AttentionRule, Rope};

/// Consecutive positions of one lane: some rows of a batch.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Position of the segment's first row in its lane.
    pub start: usize,
    /// Number of rows.
    pub rows: usize,
    /// The lane's blocks, in order, covering at least positions `0..start + rows`.
    pub blocks: Vec<u32>,
}

impl Segment {
    /// The blocks that hold its rows.
    pub(crate) fn written(&self) -> &[u32] {
        if self.rows == 0 { &[] } else { &self.blocks[self.start / BLOCK..(self.start + self.rows).div_ceil(BLOCK)] }
    }
}

/// Rows of different lanes at different positions in one forward: no padding.
#[derive(Debug)]
pub struct BatchView {
    segments: Vec<Segment>,
    /// Of each row: its segment and its position.
    rows: Vec<(u32, u32)>,
    /// Of each rotary embedding.
    rotations: Vec<Rotations>,
}

/// The rotations of all rows by one rotary embedding.
#[derive(Debug, Default)]
struct Rotations {
    /// Pairs that are rotated, in each head.
    half: usize,
    /// `[rows, half]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// The same on a device, for the twins.
    device: OnceLock<(Tensor, Tensor)>,
}

impl BatchView {
    /// The batch of these segments, rows in their order; the rotations of each of `ropes` are computed once for all layers.
    ///
    /// # Errors
    /// If a segment has too few blocks.
    pub fn new(segments: Vec<Segment>, ropes: &[Rope]) -> Result<Self> {
        let mut rows = Vec::new();
        let mut rotations: Vec<Rotations> =
            ropes.iter().map(|rope| Rotations { half: rope.half(), ..Rotations::default() }).collect();
        for (index, segment) in segments.iter().enumerate() {
            let end = segment.start + segment.rows;
            if segment.blocks.len() * BLOCK < end {
                bail!("segment {index} has {} KV blocks for {end} positions", segment.blocks.len())
            }
            for position in segment.start..end {
                rows.push((index as u32, position as u32));
                for (rope, made) in ropes.iter().zip(&mut rotations) {
                    rope.push(position, &mut made.cos, &mut made.sin);
                }
            }
        }
        Ok(Self { segments, rows, rotations })
    }

    /// The segments, in the order of their rows.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A row's position and the blocks of its lane.
    pub(crate) fn row(&self, row: usize) -> (usize, &[u32]) {
        let (segment, position) = self.rows[row];
        (position as usize, &self.segments[segment as usize].blocks)
    }

    /// A row's cosines and sines under a layer's rule; empty where it does not encode positions.
    pub(crate) fn rotation(&self, rule: &AttentionRule, row: usize) -> (&[f32], &[f32]) {
        let Some(Rotations { half, cos, sin, .. }) = rule.rope.and_then(|rope| self.rotations.get(rope)) else {
            return (&[], &[]);
        };
        (&cos[row * half..(row + 1) * half], &sin[row * half..(row + 1) * half])
    }

    /// Refuse a rule whose rotary embedding the batch has not.
    pub(crate) fn check(&self, rule: &AttentionRule) -> Result<()> {
        match rule.rope.filter(|rope| *rope >= self.rotations.len()) {
            Some(rope) => bail!("attention: rotary embedding {rope} of {}", self.rotations.len()),
            None => Ok(()),
        }
    }

    /// Cosines and sines `[rows, 1, half]` on `device` under a layer's rule, where it encodes positions.
    pub(crate) fn rotations(&self, rule: &AttentionRule, device: &Device) -> Result<Option<(Tensor, Tensor)>> {
        let Some(Rotations { half, cos, sin, device: made }) = rule.rope.and_then(|rope| self.rotations.get(rope))
        else {
            return Ok(None);
        };
        if let Some(made) = made.get() {
            return Ok(Some(made.clone()));
        }
        let shape = (self.rows(), 1, *half);
        let pair = (Tensor::from_slice(cos, shape, device)?, Tensor::from_slice(sin, shape, device)?);
        Ok(Some(made.get_or_init(|| pair).clone()))
    }
}
