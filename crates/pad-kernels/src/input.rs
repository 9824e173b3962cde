//! What a linear reads.

use candle_core::{Result, Tensor};

use crate::{Isa, RmsNorm};

/// What is done to a row before it meets the weights.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Nothing.
    Plain,
    /// Normalised.
    Norm(&'a RmsNorm),
}

impl Input<'_> {
    pub(crate) fn twin(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain => Ok(x.clone()),
            Self::Norm(norm) => norm.twin(x),
        }
    }

    pub(crate) fn row(self, isa: Isa, x: &[f32], out: &mut [f32]) {
        match self {
            Self::Plain => out.copy_from_slice(x),
            Self::Norm(norm) => norm.row(isa, x, out),
        }
    }
}
