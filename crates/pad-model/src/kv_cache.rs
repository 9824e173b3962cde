//! The memory of keys and values.

use candle_core::{DType, Device, Tensor};
use half::f16;
use half::vec::HalfBitsVecExt;
use pad_kernels::BLOCK;

use crate::{ModelConfig, ModelError};

/// Blocks of keys and values for every layer of one set of weights. Which lane owns which block is the engine's business.
#[derive(Debug)]
pub struct KvCache {
    pub(crate) layers: Vec<Tensor>,
    blocks: usize,
}

impl KvCache {
    /// Memory for `blocks` blocks of [`BLOCK`] positions; see [`crate::Model::kv_cache`].
    pub(crate) fn new(config: &ModelConfig, dtype: DType, device: &Device, blocks: usize) -> Result<Self, ModelError> {
        let shape = (blocks, config.kv_layout().block_len());
        let layer = |_| match dtype {
            // Zeros that the system hands out page by page when they are first written: what is not used takes no memory.
            DType::F16 => {
                let zeros: Vec<f16> = vec![0_u16; shape.0 * shape.1].reinterpret_into();
                Tensor::from_vec(zeros, shape, device)
            }
            dtype => Tensor::zeros(shape, dtype, device),
        };
        Ok(Self { layers: (0..config.layers).map(layer).collect::<candle_core::Result<_>>()?, blocks })
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Copies blocks, each to another one; what is copied is what was there before.
    ///
    /// # Errors
    /// If a block does not exist.
    pub fn copy(&self, blocks: &[(u32, u32)]) -> Result<(), ModelError> {
        if blocks.is_empty() {
            return Ok(());
        }
        let (from, to): (Vec<u32>, Vec<u32>) = blocks.iter().copied().unzip();
        for layer in &self.layers {
            let contents = layer.index_select(&Tensor::from_slice(&from, from.len(), layer.device())?, 0)?;
            for (row, to) in to.iter().enumerate() {
                layer.slice_set(&contents.narrow(0, row, 1)?, 0, *to as usize)?;
            }
        }
        Ok(())
    }

    /// Number of positions, all lanes together.
    pub fn positions(&self) -> usize {
        self.blocks * BLOCK
    }
}
