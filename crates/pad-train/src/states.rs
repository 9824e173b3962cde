//! Hidden states that are computed once and kept, in half precision if they fit its range.

use half::f16;

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
}
