//! Segments as kernels have them.

use pad_kernels::Segment;

/// The blocks of each lane, and how many the longest has; the others are filled up with `u32::MAX`.
pub fn block_tables(segments: &[Segment]) -> (Vec<u32>, usize) {
    let most = segments.iter().map(|segment| segment.blocks.len()).max().unwrap();
    let mut tables = vec![u32::MAX; segments.len() * most];
    for (table, segment) in tables.chunks_exact_mut(most).zip(segments) {
        table[..segment.blocks.len()].copy_from_slice(&segment.blocks);
    }
    (tables, most)
}

/// The lane of each row, and its position.
pub fn lanes_and_positions(segments: &[Segment]) -> (Vec<u32>, Vec<u32>) {
    let lanes = segments.iter().enumerate();
    lanes.flat_map(|(lane, s)| (s.start..s.start + s.rows).map(move |at| (lane as u32, at as u32))).unzip()
}
