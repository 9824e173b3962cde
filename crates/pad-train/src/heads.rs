//! The heads of stage 2: one low-rank map of the final hidden state per dimension.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use pad_kernels::Pool;

use crate::draws::Draws;
use crate::ops::LowRank;

/// `h + U (V^T h) + b`.
#[derive(Debug)]
pub struct Head {
    /// `[hidden, rank]`, zero at first.
    pub u: Var,
    /// `[hidden, rank]`, random at first.
    pub v: Var,
    /// `[hidden]`, zero at first.
    pub b: Var,
}

impl Head {
    /// A head that changes nothing yet.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(hidden: usize, rank: usize, draws: &mut Draws) -> candle_core::Result<Self> {
        let deviation = 1.0 / (hidden as f32).sqrt();
        let v: Vec<f32> = (0..hidden * rank).map(|_| draws.normal() * deviation).collect();
        Ok(Self {
            u: Var::zeros((hidden, rank), DType::F32, &Device::Cpu)?,
            v: Var::from_vec(v, (hidden, rank), &Device::Cpu)?,
            b: Var::zeros(hidden, DType::F32, &Device::Cpu)?,
        })
    }

    /// Over given final hidden states.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn forward(&self, states: Arc<Vec<f32>>, pool: &Arc<Pool>) -> candle_core::Result<Tensor> {
        self.u.as_tensor().apply_op3(self.v.as_tensor(), self.b.as_tensor(), LowRank { states, pool: Arc::clone(pool) })
    }

    /// The trained parameters, under the names of `heads.safetensors`.
    pub fn variables(&self, dimension: &str) -> Vec<(String, Var)> {
        [("u", &self.u), ("v", &self.v), ("b", &self.b)]
            .map(|(name, var)| (format!("heads.{dimension}.{name}"), var.clone()))
            .into()
    }
}
