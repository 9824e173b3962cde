//! Token embeddings.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_kernels::{Linear, PackedWeights};

use crate::ModelError;

/// Embeddings `[vocabulary, hidden]`, read row by row from the packed matrix (often the unembedding's own).
#[derive(Clone, Debug)]
pub enum Embedding {
    /// Rows of a packed matrix.
    Packed(Arc<PackedWeights>),
    /// Rows of a tensor on any device.
    Dense(Tensor),
}

impl Embedding {
    /// The embeddings that a linear's matrix holds.
    pub fn of(linear: &Linear) -> Self {
        match linear {
            Linear::Packed { weights, .. } => Self::Packed(Arc::clone(weights)),
            Linear::Dense { weight, .. } => Self::Dense(weight.clone()),
        }
    }

    /// `[tokens, hidden]`, multiplied by `scale`.
    ///
    /// # Errors
    /// If a token is outside the vocabulary.
    pub fn forward(&self, tokens: &[u32], scale: f32) -> Result<Tensor, ModelError> {
        let vocabulary = match self {
            Self::Packed(weights) => weights.outputs(),
            Self::Dense(weight) => weight.dims()[0],
        };
        if let Some(token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(ModelError::Batch(format!("token {token} is outside the vocabulary of {vocabulary}")));
        }
        let rows = match self {
            Self::Packed(weights) => {
                let hidden = weights.inputs();
                let mut rows = vec![0.0; tokens.len() * hidden];
                for (token, row) in tokens.iter().zip(rows.chunks_exact_mut(hidden)) {
                    weights.row(*token as usize, row);
                }
                Tensor::from_vec(rows, (tokens.len(), hidden), &Device::Cpu)?
            }
            Self::Dense(weight) => {
                weight.index_select(&Tensor::from_slice(tokens, tokens.len(), weight.device())?, 0)?
            }
        };
        if scale.to_bits() == 1.0_f32.to_bits() { Ok(rows) } else { Ok((rows * f64::from(scale))?) }
    }
}
