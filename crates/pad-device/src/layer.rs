//! One layer on a device.

use std::ops::Range;

use pad_kernels::AttentionRule;
use pad_kernels::device::{Address, GateLaunch};
use pad_model::ModelError;

use crate::activations::Activations;
use crate::adapter::{AdaptedLayer, LowRanks};
use crate::attention::{Rotations, attend};
use crate::matrix::DeviceMatrix;
use crate::queue::Queue;
use crate::shape::{Norm, Shape};
use crate::step_rows::{StageRows, StepRows};
use crate::upload::words_on;

/// A layer's weights; projections that read the same input are one matrix. Norms are there where the model has them.
#[derive(Debug)]
pub struct DeviceLayer {
    pub attention_norm: Option<Norm>,
    pub rule: AttentionRule,
    pub qkv: DeviceMatrix,
    /// Of queries and of keys.
    pub head_norms: Option<[Norm; 2]>,
    pub attention_output: DeviceMatrix,
    pub attention_post_norm: Option<Norm>,
    pub feed_forward_norm: Option<Norm>,
    pub gate_up: DeviceMatrix,
    pub down: DeviceMatrix,
    pub feed_forward_post_norm: Option<Norm>,
}

/// The rows of each adapter, and what it adds to the layer.
pub type Adapted<'a> = [(Range<usize>, &'a AdaptedLayer)];

impl DeviceLayer {
    /// `x` `[rows, hidden]` through the layer, in place; `cache` receives the rows' keys and values.
    pub fn forward(
        &self,
        queue: &mut Queue,
        activations: &mut Activations,
        shape: &Shape,
        (step, stage): (&StepRows, &StageRows),
        (cache, rotations): (Address, &[Rotations]),
        adapted: &Adapted<'_>,
    ) -> Result<(), ModelError> {
        let (rows, layout, hidden) = (stage.rows, shape.layout, shape.hidden);
        let (x, normed) = (activations.x.address(), activations.normed.of(queue, rows * hidden)?);
        let (width, attended_width) = (layout.qkv_width(), layout.heads * layout.head_dim);
        let qkv = activations.qkv.of(queue, rows * width)?;
        let read = shape.read(queue, self.attention_norm, (x, normed), rows)?;
        self.qkv.multiply(queue, (read, qkv, Address::NONE), rows, None)?;
        for (span, adapter) in adapted {
            adapter.qkv.add(queue, activations, step, (read, hidden), (qkv, width), span)?;
        }
        if let Some([queries, keys]) = self.head_norms {
            for (norm, first, len) in
                [(queries, 0, attended_width), (keys, attended_width, layout.kv_heads * layout.head_dim)]
            {
                // Over each head, or over all heads of a row: as many values as there are weights.
                let of = words_on(qkv, first);
                shape.norm(queue, norm, (of, Address::NONE, of), (rows, len / norm.len, width))?;
            }
        }
        let attended = activations.attended.of(queue, rows * attended_width)?;
        attend(queue, activations, (shape, &self.rule), (step, stage), (qkv, cache, attended), rotations)?;
        let part = Part { matrix: &self.attention_output, norm: self.attention_post_norm, rows, step };
        part.add(queue, activations, shape, attended, adapted, |adapter| &adapter.attention_output)?;
        let read = shape.read(queue, self.feed_forward_norm, (x, normed), rows)?;
        let both = activations.both.of(queue, rows * 2 * shape.width)?;
        self.gate_up.multiply(queue, (read, both, Address::NONE), rows, None)?;
        for (span, adapter) in adapted {
            adapter.gate_up.add(queue, activations, step, (read, hidden), (both, 2 * shape.width), span)?;
        }
        let joined = activations.joined.of(queue, rows * shape.width)?;
        let gate = GateLaunch { gate: shape.gate, bf16: false, both, out: joined, rows, width: shape.width };
        queue.run(&gate.launch()?)?;
        let part = Part { matrix: &self.down, norm: self.feed_forward_post_norm, rows, step };
        part.add(queue, activations, shape, joined, adapted, |adapter| &adapter.down)?;
        for (span, adapter) in adapted {
            adapter.direct(queue, activations, step, (x, hidden), span)?;
        }
        Ok(())
    }
}

/// The matrix at the end of a part of the layer, with the norm behind it, if there is one.
struct Part<'a> {
    matrix: &'a DeviceMatrix,
    norm: Option<Norm>,
    rows: usize,
    step: &'a StepRows,
}

impl Part<'_> {
    /// Adds what the matrix makes of `given` to the residual stream.
    fn add(
        &self,
        queue: &mut Queue,
        activations: &mut Activations,
        shape: &Shape,
        given: Address,
        adapted: &Adapted<'_>,
        of: impl Fn(&AdaptedLayer) -> &LowRanks,
    ) -> Result<(), ModelError> {
        let (x, normed) = (activations.x.address(), activations.normed.address());
        // A norm behind the part comes before the sum.
        let (to, residual) = if self.norm.is_some() { (normed, Address::NONE) } else { (x, x) };
        self.matrix.multiply(queue, (given, to, residual), self.rows, None)?;
        for (span, adapter) in adapted {
            let inputs = (given, self.matrix.inputs);
            of(adapter).add(queue, activations, self.step, inputs, (to, shape.hidden), span)?;
        }
        match self.norm {
            None => Ok(()),
            Some(norm) => shape.norm(queue, norm, (normed, x, x), (self.rows, 1, shape.hidden)),
        }
    }
}
