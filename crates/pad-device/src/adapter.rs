//! Adapters and control vectors on a device.

use std::ops::Range;

use pad_kernels::device::{Address, LowRankLaunch};
use pad_kernels::{FeedForward, LowRank, LowRankStack};
use pad_model::{Adapter, LayerAdapter, ModelConfig, ModelError};

use crate::activations::Activations;
use crate::queue::Queue;
use crate::step_rows::StepRows;
use crate::upload::words_on;

/// An adapter from its first layer on.
#[derive(Debug)]
pub struct DeviceAdapter {
    pub first_layer: usize,
    layers: Vec<AdaptedLayer>,
}

/// What it adds to one layer.
#[derive(Debug, Default)]
pub struct AdaptedLayer {
    pub qkv: LowRanks,
    pub attention_output: LowRanks,
    pub gate_up: LowRanks,
    pub down: LowRanks,
    direction: Option<LowRanks>,
}

/// Additions to the outputs of one matrix.
#[derive(Debug, Default)]
pub struct LowRanks(Vec<Piece>);

#[derive(Debug)]
struct Piece {
    rank: usize,
    inputs: usize,
    outputs: usize,
    down: Address,
    up: Address,
}

impl DeviceAdapter {
    pub fn new(queue: &mut Queue, adapter: &Adapter, config: &ModelConfig) -> Result<Self, ModelError> {
        let first_layer = adapter.first_layer();
        let none = LayerAdapter::default();
        let layers = (first_layer..config.layers)
            .map(|layer| AdaptedLayer::new(queue, adapter.layer(layer).unwrap_or(&none), config))
            .collect::<Result<_, _>>()?;
        Ok(Self { first_layer, layers })
    }

    /// What it adds to a layer, if anything.
    pub fn layer(&self, layer: usize) -> Option<&AdaptedLayer> {
        self.layers.get(layer.checked_sub(self.first_layer)?)
    }
}

impl AdaptedLayer {
    fn new(queue: &mut Queue, layer: &LayerAdapter, config: &ModelConfig) -> Result<Self, ModelError> {
        let (hidden, width) = (config.hidden, config.intermediate);
        // On the CPU gates are padded.
        let behind_gates = |start| if start == FeedForward::padded(width) { width } else { start };
        let direction = layer.direction.as_ref().map(|direction| -> Result<_, ModelError> {
            let values: Vec<f32> = direction.flatten_all()?.to_vec1()?;
            // `strength * direction`, as a product whose only input is the strength.
            let (down, up) = (queue.hold_numbers(&[1.0])?, queue.hold_numbers(&values)?);
            Ok(LowRanks(vec![Piece { rank: 1, inputs: 1, outputs: hidden, down, up }]))
        });
        Ok(Self {
            direction: direction.transpose()?,
            qkv: LowRanks::new(queue, &layer.qkv, config.kv_layout().qkv_width(), |start| start)?,
            attention_output: LowRanks::new(queue, &layer.attention_output, hidden, |start| start)?,
            gate_up: LowRanks::new(queue, &layer.gate_up, 2 * width, behind_gates)?,
            down: LowRanks::new(queue, &layer.down, hidden, |start| start)?,
        })
    }

    /// Adds the control vector, times each row's strength, to rows of `x` `[rows, hidden]`.
    pub fn direct(
        &self,
        queue: &mut Queue,
        activations: &mut Activations,
        step: &StepRows,
        (x, hidden): (Address, usize),
        span: &Range<usize>,
    ) -> Result<(), ModelError> {
        let Some(direction) = &self.direction else { return Ok(()) };
        direction.add(queue, activations, step, (step.strengths, 1), (x, hidden), span)
    }
}

impl LowRanks {
    /// A stack as one piece, with zeros where a part does not reach, so that parts beside each other take two launches together; or one
    /// for each part where their ranks are too large for that.
    fn new(
        queue: &mut Queue,
        stack: &LowRankStack,
        outputs: usize,
        place: impl Fn(usize) -> usize,
    ) -> Result<Self, ModelError> {
        let parts = stack.parts();
        let ranks: usize = parts.iter().map(|(_, part)| part.rank()).sum();
        let groups = parts.chunks(if ranks > LowRank::MAX_RANK { 1 } else { parts.len().max(1) });
        let mut pieces = Vec::new();
        for group in groups {
            let (mut down, mut up) = (Vec::new(), Vec::new());
            for (start, part) in group {
                down.extend_from_slice(part.down());
                for row in part.up().chunks_exact(part.outputs()) {
                    let mut whole = vec![0.0; outputs];
                    whole[place(*start)..place(*start) + part.outputs()].copy_from_slice(row);
                    up.extend(whole);
                }
            }
            let (rank, inputs) = (group.iter().map(|(_, part)| part.rank()).sum(), group[0].1.inputs());
            let (down, up) = (queue.hold_numbers(&down)?, queue.hold_numbers(&up)?);
            pieces.push(Piece { rank, inputs, outputs, down, up });
        }
        Ok(Self(pieces))
    }

    /// `y += B (A x)` for the rows of `span`; both addresses come with the values from row to row.
    pub fn add(
        &self,
        queue: &mut Queue,
        activations: &mut Activations,
        step: &StepRows,
        (x, x_stride): (Address, usize),
        (y, y_stride): (Address, usize),
        span: &Range<usize>,
    ) -> Result<(), ModelError> {
        for piece in &self.0 {
            let rows = words_on(step.counted, span.start);
            let launch = LowRankLaunch {
                x,
                down: piece.down,
                up: piece.up,
                bias: Address::NONE,
                base: y,
                product: activations.product.of(queue, span.len() * piece.rank)?,
                y,
                rows,
                parts: step.zeros,
                targets: rows,
                tasks: span.len(),
                inputs: piece.inputs,
                outputs: piece.outputs,
                rank: piece.rank,
                x_stride,
                base_stride: y_stride,
                y_stride,
            };
            queue.run_all(&launch.launches()?)?;
        }
        Ok(())
    }
}
