//! The rows of a model's unembedding, by which heads score candidates.

use pad_model::{Part, Weights};

use crate::TrainError;

/// The unembedding in single precision.
#[derive(Debug)]
pub struct Unembedding {
    /// `[vocabulary, hidden]`.
    rows: Vec<f32>,
    hidden: usize,
}

impl Unembedding {
    /// Of a checkpoint: the embeddings where both are the same.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn load(weights: &mut dyn Weights) -> Result<Self, TrainError> {
        let part = if weights.has_weight(Part::Unembedding) { Part::Unembedding } else { Part::Embedding };
        let matrix = weights.matrix(part)?;
        let hidden = matrix.inputs;
        Ok(Self { rows: matrix.into_single()?, hidden })
    }

    /// Width of a row.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The row of a token, `[hidden]`.
    ///
    /// # Errors
    /// If the token does not exist.
    pub fn row(&self, token: u32) -> Result<&[f32], TrainError> {
        let at = token as usize * self.hidden;
        let row = self.rows.get(at..at + self.hidden);
        row.ok_or_else(|| TrainError::setting("model", format!("token {token} is not in its vocabulary")))
    }
}
