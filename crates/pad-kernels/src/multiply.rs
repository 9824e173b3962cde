//! Products of matrices in single precision, for training: `c = scale a b (+ c)` over strided views.
//!
//! The arithmetic is the `gemm` crate's. It is called on one thread at a time and split here, over [`Pool`]: its own threads
//! spin, and stall when another program has a core.

use gemm::Parallelism;

use crate::Pool;
use crate::shared::SharedSlice;

/// A matrix in a slice: element (i, j) lies at `i * row_step + j * column_step`.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> MatrixView<'a> {
    /// A row-major matrix whose rows follow each other without gaps.
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// A row-major matrix whose rows begin `step` apart.
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, step: usize) -> Self {
        assert!(
            fits(values.len(), rows, columns, step),
            "a matrix of {rows} x {columns}, step {step}, in a shorter slice"
        );
        Self { values, rows, columns, row_step: step, column_step: 1 }
    }

    /// The transpose: the same numbers, read the other way.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_step: self.column_step, column_step: self.row_step, ..self }
    }
}

fn fits(len: usize, rows: usize, columns: usize, step: usize) -> bool {
    rows == 0 || columns == 0 || (step >= columns && (rows - 1) * step + columns <= len)
}

/// A row-major matrix to write to, rows `step` apart.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    step: usize,
}

impl<'a> MatrixMut<'a> {
    /// Rows without gaps.
    pub fn new(values: &'a mut [f32], columns: usize) -> Self {
        Self { values, step: columns }
    }

    /// Rows that begin `step` apart.
    pub fn strided(values: &'a mut [f32], step: usize) -> Self {
        Self { values, step }
    }

    /// `self = scale a b`, or with `add`, `self += scale a b`; on the calling thread.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn product(self, a: MatrixView<'_>, b: MatrixView<'_>, scale: f32, add: bool) {
        self.check(&a, &b);
        let all = SharedSlice::new(self.values);
        part(&all, self.step, (0, a.rows), (0, b.columns), &a, &b, scale, add);
    }

    /// [`Self::product`] on all threads of `pool`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn product_on(self, pool: &Pool, a: MatrixView<'_>, b: MatrixView<'_>, scale: f32, add: bool) {
        self.check(&a, &b);
        let (m, n, step) = (a.rows, b.columns, self.step);
        let all = SharedSlice::new(self.values);
        let small = m * n * a.columns < 1 << 18;
        let parts = if small { 1 } else { pool.threads() };
        if n >= m {
            let width = n.div_ceil(parts).next_multiple_of(16);
            pool.run(n.div_ceil(width), &|i| {
                part(&all, step, (0, m), (i * width, n.min((i + 1) * width)), &a, &b, scale, add);
            });
        } else {
            let height = m.div_ceil(parts).next_multiple_of(16);
            pool.run(m.div_ceil(height), &|i| {
                part(&all, step, (i * height, m.min((i + 1) * height)), (0, n), &a, &b, scale, add);
            });
        }
    }

    fn check(&self, a: &MatrixView<'_>, b: &MatrixView<'_>) {
        assert!(a.columns == b.rows, "a product of {} columns by {} rows", a.columns, b.rows);
        assert!(fits(self.values.len(), a.rows, b.columns, self.step), "the product does not fit where it is to go");
    }
}

/// Rows and columns of the product; other calls at the same time have others.
#[expect(clippy::too_many_arguments, reason = "a product's own")]
fn part(
    all: &SharedSlice<'_, f32>,
    step: usize,
    rows: (usize, usize),
    columns: (usize, usize),
    a: &MatrixView<'_>,
    b: &MatrixView<'_>,
    scale: f32,
    add: bool,
) {
    let (m, n) = (rows.1 - rows.0, columns.1 - columns.0);
    if m == 0 || n == 0 {
        return;
    }
    let start = all.pointer(rows.0 * step + columns.0, (m - 1) * step + n);
    // SAFETY: `check` saw that a, b and the product lie inside their slices, and every view has steps that keep (rows - 1) *
    // row_step + (columns - 1) * column_step inside. The part written is this call's own: the callers cut the product into
    // disjoint rows or columns, and the slice is borrowed mutably for the whole time.
    unsafe {
        gemm::gemm(
            m,
            n,
            a.columns,
            start,
            1,
            step as isize,
            add,
            a.values.as_ptr().add(rows.0 * a.row_step),
            a.column_step as isize,
            a.row_step as isize,
            b.values.as_ptr().add(columns.0 * b.column_step),
            b.column_step as isize,
            b.row_step as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + seed * 11) % 23) as f32 - 11.0).collect()
    }

    fn plain(a: &MatrixView<'_>, b: &MatrixView<'_>, i: usize, j: usize) -> f32 {
        let at = |v: &MatrixView<'_>, i: usize, j: usize| v.values[i * v.row_step + j * v.column_step];
        (0..a.columns).map(|k| at(a, i, k) * at(b, k, j)).sum()
    }

    /// Whole numbers, so that sums are exact in any order.
    #[test]
    fn every_shape_and_order_is_the_plain_sum() {
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            for (m, k, n) in [(1, 1, 1), (5, 7, 3), (70, 64, 130), (130, 64, 70), (8, 300, 90), (3, 0, 4), (0, 3, 4)] {
                let (x, y) = (numbers(m * k, 1), numbers(k * n, 2));
                let lefts = [MatrixView::new(&x, m, k), MatrixView::new(&x, k, m).transposed()];
                let rights = [MatrixView::new(&y, k, n), MatrixView::new(&y, n, k).transposed()];
                for (a, b) in lefts.iter().flat_map(|a| rights.iter().map(move |b| (a, b))) {
                    for add in [false, true] {
                        let step = n + 3;
                        let before = numbers(m * step, 5);
                        let mut got = before.clone();
                        MatrixMut::strided(&mut got, step).product_on(&pool, *a, *b, 2.0, add);
                        for (at, (got, before)) in got.iter().zip(&before).enumerate() {
                            let (i, j) = (at / step, at % step);
                            let old = if add { *before } else { 0.0 };
                            let want = if j < n { old + 2.0 * plain(a, b, i, j) } else { *before };
                            assert_eq!(*got, want, "{m} {k} {n} add {add} at {i},{j}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_product_too_large_for_its_place_is_refused() {
        let (a, b) = ([1.0; 6], [1.0; 6]);
        MatrixMut::new(&mut [0.0; 3], 2).product(MatrixView::new(&a, 2, 3), MatrixView::new(&b, 3, 2), 1.0, false);
    }
}
