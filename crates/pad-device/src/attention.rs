//! The attention of one layer over all rows of a stage.

use pad_kernels::AttentionRule;
use pad_kernels::device::{Address, AttentionLaunch, PrefillLaunch, RopeLaunch};
use pad_model::ModelError;

use crate::activations::Activations;
use crate::queue::Queue;
use crate::shape::Shape;
use crate::step_rows::{Run, StageRows, StepRows};
use crate::upload::words_on;

/// The cosines and sines of a rotary embedding, `[context, half]` of each.
#[derive(Clone, Copy, Debug)]
pub struct Rotations {
    pub half: usize,
    pub cos: Address,
    pub sin: Address,
}

/// Keys and values of `qkv` into `cache`; what queries see, to `attended`.
pub fn attend(
    queue: &mut Queue,
    activations: &mut Activations,
    (shape, rule): (&Shape, &AttentionRule),
    (step, stage): (&StepRows, &StageRows),
    (qkv, cache, attended): (Address, Address, Address),
    rotations: &[Rotations],
) -> Result<(), ModelError> {
    let (layout, width) = (shape.layout, shape.layout.qkv_width());
    let none = Rotations { half: 0, cos: Address::NONE, sin: Address::NONE };
    let rotation = rule.rope.map_or(none, |rope| rotations[rope]);
    let rope = RopeLaunch {
        cell: shape.cell,
        qkv,
        cache,
        tables: step.tables,
        lanes: step.lanes,
        positions: step.positions,
        cos: rotation.cos,
        sin: rotation.sin,
        rows: stage.rows,
        layout,
        half: rotation.half,
        max_blocks: step.max_blocks,
        scale: rule.scale,
    };
    queue.run(&rope.launch()?)?;
    if stage.tiles > 0 {
        let prefill = PrefillLaunch {
            query: qkv,
            cache,
            tables: step.tables,
            tiles: step.tiles,
            out: attended,
            count: stage.tiles,
            layout,
            rule: *rule,
            query_stride: width,
            max_blocks: step.max_blocks,
        };
        queue.run(&prefill.launch()?)?;
    }
    for Run { rows, last } in &stage.runs {
        let of_heads = rows.len() * layout.heads * AttentionLaunch::parts(*last, rule);
        let attention = AttentionLaunch {
            cell: shape.cell,
            query: words_on(qkv, rows.start * width),
            cache,
            tables: step.tables,
            lanes: words_on(step.lanes, rows.start),
            positions: words_on(step.positions, rows.start),
            partial: activations.partial.of(queue, of_heads * layout.head_dim)?,
            mass: activations.mass.of(queue, 2 * of_heads)?,
            out: words_on(attended, rows.start * layout.heads * layout.head_dim),
            rows: rows.len(),
            layout,
            rule: *rule,
            query_stride: width,
            max_blocks: step.max_blocks,
            last: *last,
        };
        queue.run_all(&attention.launches()?)?;
    }
    Ok(())
}
