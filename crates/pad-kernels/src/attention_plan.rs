//! How attention is divided among threads: by the rows of a lane that read the same keys together, by the parts of what they see, and by KV
//! heads. A long context is work for all threads even where one row looks back on it.

use std::ops::Range;

use crate::AttentionRule;
use crate::batch_view::BatchView;
use crate::kv_layout::KvLayout;
use crate::part::PART;

/// Queries that a tile has at least, where its lane has as many rows: so many keys and values are loaded for.
const QUERIES: usize = 24;

/// Consecutive rows of one lane with the part of its positions that they attend to, at one KV head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows of the batch; each sees something of the part.
    pub rows: Range<usize>,
    /// The part.
    pub part: usize,
    /// The KV head.
    pub kv_head: usize,
}

/// A row that sees several parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The row.
    pub row: usize,
    /// Where what its parts give is kept, in the order of the parts.
    pub places: Range<usize>,
}

/// The tiles of a batch under one rule.
#[derive(Debug)]
pub struct AttentionPlan {
    /// Tiles that read the same keys lie one after another.
    pub tiles: Vec<Tile>,
    /// The rows that see more than one part.
    pub joined: Vec<Joined>,
    /// Places for what the parts of these rows give.
    pub partials: usize,
    /// Of each row: the first part that it sees, and its first place if it sees several.
    rows: Vec<(usize, Option<usize>)>,
}

impl AttentionPlan {
    /// The tiles of a batch.
    pub fn new(view: &BatchView, rule: &AttentionRule, layout: KvLayout) -> Self {
        let together = QUERIES.div_ceil(layout.group());
        let mut plan =
            Self { tiles: Vec::new(), joined: Vec::new(), partials: 0, rows: Vec::with_capacity(view.rows()) };
        let mut from = 0;
        for segment in view.segments() {
            let positions = segment.start..segment.start + segment.rows;
            for position in positions.clone() {
                plan.add_row(rule.first_seen(position) / PART..position / PART + 1);
            }
            if segment.rows > 0 {
                let row = |position: usize| from + position - segment.start;
                let parts = rule.first_seen(segment.start) / PART..=(positions.end - 1) / PART;
                for (part, kv_head) in parts.flat_map(|part| (0..layout.kv_heads).map(move |head| (part, head))) {
                    // The rows that see some of the part: from its beginning on, up to those whose window has left it behind.
                    let first = positions.start.max(part * PART);
                    let sees = |position: &usize| rule.first_seen(*position) < (part + 1) * PART;
                    let end = (first..positions.end).take_while(sees).last().map_or(first, |last| last + 1);
                    for start in (first..end).step_by(together) {
                        plan.tiles.push(Tile { rows: row(start)..row((start + together).min(end)), part, kv_head });
                    }
                }
            }
            from += segment.rows;
        }
        plan
    }

    fn add_row(&mut self, parts: Range<usize>) {
        let several = parts.len() > 1;
        if several {
            let places = self.partials..self.partials + parts.len();
            self.partials = places.end;
            self.joined.push(Joined { row: self.rows.len(), places });
        }
        let first = several.then(|| self.partials - parts.len());
        self.rows.push((parts.start, first));
    }

    /// Where what a part gives for a row is kept; none where it is all that the row sees.
    pub fn place(&self, row: usize, part: usize) -> Option<usize> {
        let (first, place) = self.rows[row];
        place.map(|place| place + part - first)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::Segment;
    use crate::kv_layout::BLOCK;

    fn plan(lanes: &[(usize, usize)], window: Option<usize>) -> AttentionPlan {
        let segment = |&(start, rows): &(usize, usize)| {
            let blocks = (0..(start + rows).div_ceil(BLOCK) as u32).collect();
            Segment { start, rows, blocks }
        };
        let view = BatchView::new(lanes.iter().map(segment).collect(), &[]).unwrap();
        let rule = AttentionRule { window: window.and_then(NonZeroUsize::new), ..AttentionRule::usual(16) };
        AttentionPlan::new(&view, &rule, KvLayout { heads: 24, kv_heads: 2, head_dim: 16 })
    }

    /// Every row with every part that it sees, once for each KV head.
    #[test]
    fn every_row_sees_each_of_its_parts_once() {
        for (lanes, window) in [
            (&[(0, 5), (PART - 3, 7), (3 * PART, 1)][..], None),
            (&[(2 * PART - 2, 40), (0, 0), (9, 1)], Some(300)),
            (&[(2 * PART - 2, 40)], Some(20)),
        ] {
            let plan = plan(lanes, window);
            let mut found: Vec<(usize, usize, usize)> = Vec::new();
            for tile in &plan.tiles {
                assert!(!tile.rows.is_empty() && tile.rows.len() <= 2, "{tile:?}");
                found.extend(tile.rows.clone().map(|row| (row, tile.part, tile.kv_head)));
            }
            let positions = lanes.iter().flat_map(|(start, rows)| *start..start + rows);
            let mut wanted = Vec::new();
            for (row, position) in positions.enumerate() {
                let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
                let parts = first / PART..=position / PART;
                assert_eq!(plan.place(row, position / PART).is_some(), parts.clone().count() > 1, "row {row}");
                wanted.extend(parts.flat_map(|part| [(row, part, 0), (row, part, 1)]));
            }
            found.sort_unstable();
            assert_eq!(found, wanted);
            let mut places: Vec<usize> = plan.joined.iter().flat_map(|joined| joined.places.clone()).collect();
            places.dedup();
            assert_eq!(places, (0..plan.partials).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_row_with_a_long_context_is_work_for_many() {
        let plan = plan(&[(4 * PART - 1, 1)], None);
        assert_eq!((plan.tiles.len(), plan.joined.len(), plan.partials), (8, 1, 4));
        assert_eq!((plan.place(0, 0), plan.place(0, 3)), (Some(0), Some(3)));
    }
}
