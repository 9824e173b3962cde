//! Arguments of the operations: rows of values.

use candle_core::{CpuStorage, Layout, Result, bail};

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
