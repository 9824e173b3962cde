//! Rows prepared, met with the tiles of a matrix, and stored: what a plain and a gated linear have in common.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, Layout, Result, bail};

use crate::activation::Activations;
use crate::packed::{PackedWeights, TILE};
use crate::shared::{SharedSlice, filled};
use crate::tile::for_each_group;
use crate::{Input, Pool};

/// A matrix and what its rows are made of.
pub struct Product<'a> {
    pub weights: &'a PackedWeights,
    pub pool: &'a Pool,
    pub input: Input<'a>,
}

/// Where `T` tiles' sums of some rows go.
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

/// Writes `T` tiles' sums of some rows to their place.
pub type PlaceSums<'a, const T: usize> = dyn Fn(&Place<'_, '_>, [&[[f32; TILE]]; T]) + Sync + 'a;

impl Product<'_> {
    /// `[rows, width]`, where each group of `T` tiles gives 16 outputs: `store(place, sums)` writes those of some rows, all of them.
    ///
    /// # Safety
    /// `store` calls [`Place::write`] for every row of its sums.
    pub unsafe fn run<const T: usize>(
        &self,
        rows: usize,
        x: &[f32],
        width: usize,
        store: &PlaceSums<'_, T>,
    ) -> Vec<f32> {
        let (w, isa) = (self.weights, self.pool.isa());
        let x_width = x.len() / rows.max(1);
        let activations = Activations::prepare(isa, self.pool, w.format(), rows, w.inputs(), &|row, out| {
            self.input.row(isa, &x[row * x_width..(row + 1) * x_width], out);
        });
        let fill = |out: &SharedSlice<'_, MaybeUninit<f32>>| {
            self.pool.run_ranges(w.tiles() / T, 1, &|first, last| {
                for_each_group::<T>(isa, w, first..last, &activations, rows, &mut |group, row, sums| {
                    let start = group * TILE;
                    let (rows, len) = (sums[0].len(), TILE.min(width - start));
                    store(&Place { out, width, row, rows, start, len }, sums);
                });
            });
        };
        // SAFETY: the groups of tiles cover all outputs and the groups of rows all rows; `store` writes each, as promised.
        unsafe { filled(rows * width, fill) }
    }
}

/// The values of a contiguous single-precision `[rows, width]` argument.
pub fn rows_of<'s>(name: &str, storage: &'s CpuStorage, layout: &Layout, width: usize) -> Result<(usize, &'s [f32])> {
    let (Some((start, end)), [rows, columns]) = (layout.contiguous_offsets(), layout.dims()) else {
        bail!("{name}: a contiguous matrix is expected, not {layout:?}")
    };
    if *columns != width {
        bail!("{name}: rows of {width} values are expected, not {columns}")
    }
    Ok((*rows, &storage.as_slice::<f32>()?[start..end]))
}
