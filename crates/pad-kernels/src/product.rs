//! Products of prepared rows with the tiles of a matrix, and their storage.

use std::mem::MaybeUninit;

use crate::activation::Activations;
use crate::format::TILE;
use crate::packed::PackedWeights;
use crate::shared::{SharedSlice, filled};
use crate::tile::for_each_group;
use crate::{Input, Pool};

/// A matrix, and who multiplies with it.
pub struct Product<'a> {
    pub weights: &'a PackedWeights,
    pub pool: &'a Pool,
}

/// Where a tile's sums of some rows go.
pub struct Place<'a, 'o> {
    out: &'a SharedSlice<'o, MaybeUninit<f32>>,
    width: usize,
    /// The first of the rows.
    pub row: usize,
    /// Number of rows.
    rows: usize,
    /// The first of the outputs.
    pub start: usize,
    /// Number of outputs.
    pub len: usize,
}

impl Place<'_, '_> {
    /// Write the outputs of the `i`-th of the rows: `value(j)` for each.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
    pub fn write(&self, i: usize, value: impl Fn(usize) -> f32) {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        // SAFETY: `Product::run` makes one place for each group of tiles and of rows, the groups do not overlap, and this row
        // is one of the group's.
        let out = unsafe { self.out.part((self.row + i) * self.width + self.start, self.len) };
        match out.as_mut_array::<TILE>() {
            // Of a known length: a few vector instructions.
            Some(out) => out.iter_mut().enumerate().for_each(|(j, out)| _ = out.write(value(j))),
            None => out.iter_mut().enumerate().for_each(|(j, out)| _ = out.write(value(j))),
        }
    }
}

/// Writes a tile's sums of some rows to their place.
pub type PlaceSums<'a> = dyn Fn(&Place<'_, '_>, &[[f32; TILE]]) + Sync + 'a;

impl Product<'_> {
    /// `input` of the rows of `x` `[rows, inputs]`, made ready for the tiles.
    pub fn prepare(&self, input: Input<'_>, rows: usize, x: &[f32]) -> Activations {
        let (w, isa) = (self.weights, self.pool.isa());
        Activations::prepare(isa, self.pool, w.is_single(), rows, w.inputs(), &|row, out| {
            input.row(isa, &x[row * w.inputs()..(row + 1) * w.inputs()], out);
        })
    }

    /// `[rows, outputs]`: `store(place, sums)` writes the 16 outputs of a tile, or fewer, for some rows, all of them.
    ///
    /// # Safety
    /// `store` calls [`Place::write`] for every row of its sums.
    pub unsafe fn run(&self, rows: usize, activations: &Activations, store: &PlaceSums<'_>) -> Vec<f32> {
        let (w, isa, width) = (self.weights, self.pool.isa(), self.weights.outputs());
        let fill = |out: &SharedSlice<'_, MaybeUninit<f32>>| {
            self.pool.run_ranges(w.tiles(), 1, &|first, last| {
                for_each_group(isa, w, first..last, activations, rows, &mut |tile, row, [sums]| {
                    let start = tile * TILE;
                    let (rows, len) = (sums.len(), TILE.min(width - start));
                    store(&Place { out, width, row, rows, start, len }, sums);
                });
            });
        };
        // SAFETY: the groups of tiles cover all outputs and the groups of rows all rows; `store` writes each, as promised.
        unsafe { filled(rows * width, fill) }
    }
}
