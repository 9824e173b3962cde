//! Hidden states that are computed once and kept, in half precision if they fit its range.

use candle_core::Tensor;
use half::f16;

use crate::TrainError;

/// Rows of one example.
#[derive(Clone, Debug)]
pub enum States {
    /// Half precision.
    Half(Vec<f16>),
    /// Single, because a number is too large for half.
    Single(Vec<f32>),
}

impl States {
    /// Keep these numbers.
    pub fn new(values: &[f32]) -> Self {
        let limit = f16::MAX.to_f32();
        if values.iter().all(|x| x.abs() < limit) {
            Self::Half(values.iter().map(|x| f16::from_f32(*x)).collect())
        } else {
            Self::Single(values.to_vec())
        }
    }

    /// Append them to `out`.
    pub fn append_to(&self, out: &mut Vec<f32>) {
        match self {
            Self::Half(values) => out.extend(values.iter().map(|x| x.to_f32())),
            Self::Single(values) => out.extend_from_slice(values),
        }
    }

    /// Append row `row` of rows of `width` numbers to `out`.
    pub fn append_row_to(&self, row: usize, width: usize, out: &mut Vec<f32>) {
        let range = row * width..(row + 1) * width;
        match self {
            Self::Half(values) => out.extend(values[range].iter().map(|x| x.to_f32())),
            Self::Single(values) => out.extend_from_slice(&values[range]),
        }
    }
}

/// Rows of `x` `[rows, width]`, cut into pieces of these lengths.
///
/// # Errors
/// If its numbers cannot be read.
pub fn cut(x: &Tensor, rows: impl Iterator<Item = usize>) -> Result<Vec<States>, TrainError> {
    let width = x.dim(1)?;
    let values = x.flatten_all()?.to_vec1::<f32>()?;
    let mut rest = values.as_slice();
    let mut all = Vec::new();
    for rows in rows {
        let (piece, after) = rest.split_at(rows * width);
        all.push(States::new(piece));
        rest = after;
    }
    Ok(all)
}
