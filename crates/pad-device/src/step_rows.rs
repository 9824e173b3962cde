//! The rows of a step, as the kernels take them.

use std::ops::Range;

use pad_kernels::device::{Address, CellType, PrefillLaunch};
use pad_kernels::{KvLayout, Segment};
use pad_model::{AdapterRows, Batch, LaneChunk, ModelError, Stage};

use crate::queue::{Queue, Room};
use crate::upload::{Part, Upload};

/// Rows from which on a chunk is computed by tensor cores, where the cache is in half precision.
const LONG: usize = 16;

/// The rows of all stages. Those of a stage come first in the next one, so that one set of numbers serves all.
#[derive(Debug)]
pub struct StepRows {
    /// The tokens of the first stage's rows.
    pub tokens: Address,
    /// The lane of each row.
    pub lanes: Address,
    /// The position of each row.
    pub positions: Address,
    /// The blocks of each lane, `[lanes, max_blocks]`.
    pub tables: Address,
    pub max_blocks: usize,
    /// Tiles of long chunks.
    pub tiles: Address,
    /// 0, 1, 2 and so on, as many as there are rows.
    pub counted: Address,
    /// As many zeros.
    pub zeros: Address,
    /// The strength of each row's control vector.
    pub strengths: Address,
    /// Rows that are read.
    pub read: Address,
    pub stages: Vec<StageRows>,
}

/// The rows that are in the batch from one layer on.
#[derive(Debug)]
pub struct StageRows {
    pub first_layer: usize,
    pub rows: usize,
    /// How many join, the last ones, and of which rows they are copies.
    pub joining: usize,
    pub joined: Address,
    /// Tiles of its long chunks.
    pub tiles: usize,
    /// Rows that are computed one by one.
    pub runs: Vec<Run>,
    pub spans: Vec<AdapterRows>,
}

/// Consecutive rows, and the last position of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub rows: Range<usize>,
    pub last: usize,
}

fn is_long(segment: &Segment, layout: KvLayout, cell: CellType) -> bool {
    segment.rows >= LONG && cell == CellType::F16 && PrefillLaunch::HEADS.contains(&layout.head_dim)
}

/// The tiles of the long ones of these segments.
fn tiles(segments: &[Segment], layout: KvLayout, cell: CellType) -> Vec<[u32; 5]> {
    let (mut all, mut place) = (Vec::new(), 0);
    for (lane, segment) in segments.iter().enumerate() {
        if is_long(segment, layout, cell) {
            let own = PrefillLaunch::tiles(std::slice::from_ref(segment), layout);
            all.extend(own.into_iter().map(|[_, start, _, rows, query]| [lane as u32, start, place, rows, query]));
        }
        place += segment.rows as u32;
    }
    all
}

/// The others' rows, as few runs as possible.
fn runs(segments: &[Segment], layout: KvLayout, cell: CellType) -> Vec<Run> {
    let (mut runs, mut first): (Vec<Run>, usize) = (Vec::new(), 0);
    for segment in segments {
        let (rows, last) = (first..first + segment.rows, segment.start + segment.rows - 1);
        first = rows.end;
        if is_long(segment, layout, cell) {
            continue;
        }
        match runs.last_mut().filter(|run| run.rows.end == rows.start) {
            Some(run) => *run = Run { rows: run.rows.start..rows.end, last: run.last.max(last) },
            None => runs.push(Run { rows, last }),
        }
    }
    runs
}

impl StepRows {
    /// Sends what the kernels need to know of a batch of chunks.
    pub fn send(
        queue: &mut Queue,
        room: &mut Room,
        batch: &Batch,
        (layout, cell): (KvLayout, CellType),
    ) -> Result<Self, ModelError> {
        let last = batch.stages.last().ok_or_else(|| ModelError::Batch("it has no rows".to_owned()))?;
        let (segments, rows) = (last.view.segments(), last.view.rows());
        let max_blocks = segments.iter().map(|segment| segment.blocks.len()).max().unwrap_or(0);
        let mut upload = Upload::default();
        let tokens = upload.push(batch.tokens.iter().copied());
        let of_rows = |lane: usize, segment: &Segment| {
            (segment.start..segment.start + segment.rows).map(move |position| (lane as u32, position as u32))
        };
        let rows_of = || segments.iter().enumerate().flat_map(|(lane, segment)| of_rows(lane, segment));
        let lanes = upload.push(rows_of().map(|(lane, _)| lane));
        let positions = upload.push(rows_of().map(|(_, position)| position));
        let tables = upload.push(segments.iter().flat_map(|segment| {
            let filling = std::iter::repeat_n(0, max_blocks - segment.blocks.len());
            segment.blocks.iter().copied().chain(filling)
        }));
        let tile_numbers = upload.push(tiles(segments, layout, cell).into_iter().flatten());
        let (counted, zeros) =
            (upload.counted(rows.max(batch.read.len())), upload.push(vec![0; rows.max(batch.read.len())]));
        let mut strengths = vec![0.0_f32; rows];
        last.spans.iter().for_each(|span| strengths[span.rows.clone()].fill(span.strength.value()));
        let strengths = upload.push(strengths.into_iter().map(f32::to_bits));
        let read = upload.push(batch.read.iter().copied());
        let joined: Vec<Part> = batch.stages.iter().map(|stage| upload.push(stage.joining.iter().copied())).collect();
        let sent = upload.send(queue, room)?;
        let stage = |(stage, joined): (&Stage, Part)| StageRows {
            first_layer: stage.first_layer,
            rows: stage.view.rows(),
            joining: stage.joining.len(),
            joined: sent.at(joined),
            tiles: tiles(stage.view.segments(), layout, cell).len(),
            runs: runs(stage.view.segments(), layout, cell),
            spans: stage.spans.clone(),
        };
        let stages = batch.stages.iter().zip(joined).map(stage).collect();
        let at = |part| sent.at(part);
        Ok(Self {
            tokens: at(tokens),
            lanes: at(lanes),
            positions: at(positions),
            tables: at(tables),
            max_blocks,
            tiles: at(tile_numbers),
            counted: at(counted),
            zeros: at(zeros),
            strengths: at(strengths),
            read: at(read),
            stages,
        })
    }
}

/// Refuses chunks that are out of range.
pub fn check(chunks: &[LaneChunk<'_>], (context, vocabulary, blocks): (usize, usize, usize)) -> Result<(), ModelError> {
    for chunk in chunks {
        chunk.check(context, blocks)?;
        if let Some(token) = chunk.tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(ModelError::Batch(format!("token {token} is outside the vocabulary of {vocabulary}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_chunks_go_by_tiles_and_the_others_in_runs() {
        let layout = KvLayout { heads: 4, kv_heads: 2, head_dim: 64 };
        let segment = |start, rows| Segment { start, rows, blocks: vec![0; 9] };
        let segments = [segment(3, 1), segment(7, 2), segment(0, 40), segment(90, 1)];
        let run = |rows, last| Run { rows, last };
        assert_eq!(runs(&segments, layout, CellType::F16), [run(0..3, 8), run(43..44, 90)]);
        assert_eq!(tiles(&segments, layout, CellType::F16), [[2, 0, 3, 40, 0], [2, 0, 3, 40, 64]]);
        assert_eq!(runs(&segments, layout, CellType::F32), [run(0..44, 90)]);
        assert!(tiles(&segments, layout, CellType::F32).is_empty());
    }
}
