//! The memory of keys and values.

use candle_core::{Device, Tensor};
use half::f16;
use half::vec::HalfBitsVecExt;
use pad_kernels::{BLOCK, KvFormat};

use crate::{Dtype, ModelConfig, ModelError};

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvDtype {
    /// Half precision on the CPU, or single where all is single precision and on a device.
    #[default]
    Auto,
    /// 8 bits and a scale for each head's key and value at each position ([`KvFormat::Q8`]).
    Q8,
}

impl KvDtype {
    /// The format in a cache on `device` of a model whose weights are kept as `dtype`.
    pub(crate) fn format(self, dtype: Dtype, device: &Device) -> KvFormat {
        match self {
            Self::Q8 => KvFormat::Q8,
            Self::Auto if device.is_cpu() && dtype != Dtype::F32 => KvFormat::F16,
            Self::Auto => KvFormat::F32,
        }
    }
}

/// Blocks of keys and values for every layer of one set of weights. Which lane owns which block is the engine's business.
#[derive(Debug)]
pub struct KvCache {
    pub(crate) layers: Vec<Tensor>,
    blocks: usize,
}

impl KvCache {
    /// Memory for `blocks` blocks of [`BLOCK`] positions; see [`crate::Model::kv_cache`].
    pub(crate) fn new(
        config: &ModelConfig,
        format: KvFormat,
        device: &Device,
        blocks: usize,
    ) -> Result<Self, ModelError> {
        let shape = (blocks, format.block_cells(config.kv_layout()));
        let layer = |_| match format {
            // Zeros that the system hands out page by page when they are first written: what is not used takes no memory.
            KvFormat::F16 => {
                let zeros: Vec<f16> = vec![0_u16; shape.0 * shape.1].reinterpret_into();
                Tensor::from_vec(zeros, shape, device)
            }
            KvFormat::Q8 => Tensor::from_vec(vec![0_u8; shape.0 * shape.1], shape, device),
            KvFormat::F32 => Tensor::zeros(shape, format.dtype(), device),
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
