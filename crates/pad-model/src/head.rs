//! Value heads: what a trained reward model puts between the final norm and the unembedding.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_kernels::{Format, Input, Linear, LowRank, LowRankStack, PackedWeights, Pool};

use crate::ModelError;
use crate::safetensors::TensorFiles;

/// What stands between the final norm and the unembedding. Kept in single precision: heads start as the identity, which 8-bit
/// blocks would blur.
#[derive(Clone, Debug)]
pub enum ValueHead {
    /// `h' = W h + b`, the head of the released checkpoints (method, section 5): `W` `[hidden, hidden]`, `b` `[hidden]`.
    Full(Linear),
    /// `h' = h + U V^T h + b`, one dimension's head of a reward model of kind `heads` (method, section 3).
    LowRank {
        /// `U V^T`.
        product: LowRankStack,
        /// `[hidden]`.
        bias: Tensor,
        /// Who computes.
        pool: Arc<Pool>,
    },
}

impl ValueHead {
    /// Read `v_head.summary.weight` and `v_head.summary.bias` from `value_head.safetensors` (or `value_head.bin`) in a
    /// reward model's directory.
    ///
    /// # Errors
    /// If neither file is there (never a silent identity), or the shapes do not fit `hidden`.
    pub fn open(directory: &Path, hidden: usize, device: &Device, pool: &Arc<Pool>) -> Result<Self, ModelError> {
        let path = directory.join("value_head.safetensors");
        let (weight, bias) = if path.exists() {
            let mut file = TensorFiles::open(vec![path.clone()])?;
            (file.read("v_head.summary.weight")?, file.read("v_head.summary.bias")?)
        } else {
            from_pickle(&directory.join("value_head.bin"))?
        };
        if weight.0 != [hidden, hidden] || bias.0 != [hidden] {
            let message = format!(
                "the value head is {:?} with a bias of {:?}; [{hidden}, {hidden}] and [{hidden}] fit the model",
                weight.0, bias.0
            );
            return Err(ModelError::weights(path, message));
        }
        let linear = if device.is_cpu() {
            let weights = Arc::new(PackedWeights::from_f32(Format::F32, hidden, hidden, &weight.1));
            Linear::Packed { weights, bias: Some(bias.1.into()), pool: Arc::clone(pool) }
        } else {
            let weight = Tensor::from_vec(weight.1, (hidden, hidden), device)?;
            Linear::Dense { weight, bias: Some(Tensor::from_vec(bias.1, hidden, device)?) }
        };
        Ok(Self::Full(linear))
    }

    /// Read the heads of these dimensions from `heads.safetensors` in a reward model's directory: `heads.NAME.u` and
    /// `heads.NAME.v` `[hidden, rank]`, `heads.NAME.b` `[hidden]`.
    ///
    /// # Errors
    /// If a tensor is missing, of another shape, or belongs to no dimension.
    pub fn open_each(
        directory: &Path,
        dimensions: &[&str],
        hidden: usize,
        device: &Device,
        pool: &Arc<Pool>,
    ) -> Result<Vec<Self>, ModelError> {
        let path = directory.join("heads.safetensors");
        let mut file = TensorFiles::open(vec![path.clone()])?;
        let refuse = |message: String| Err(ModelError::weights(&path, message));
        if file.len() != 3 * dimensions.len() {
            return refuse(format!("it has {} tensors; {} dimensions have 3 each", file.len(), dimensions.len()));
        }
        let mut heads = Vec::with_capacity(dimensions.len());
        for name in dimensions {
            let (u_shape, u) = file.read(&format!("heads.{name}.u"))?;
            let (v_shape, v) = file.read(&format!("heads.{name}.v"))?;
            let (b_shape, bias) = file.read(&format!("heads.{name}.b"))?;
            let rank = u_shape.get(1).copied().unwrap_or(0);
            if u_shape != [hidden, rank] || v_shape != u_shape || b_shape != [hidden] {
                return refuse(format!(
                    "the head of `{name}` is {u_shape:?}, {v_shape:?}, {b_shape:?}; [{hidden}, r] twice and [{hidden}] fit"
                ));
            }
            let down = (0..rank).flat_map(|k| (0..hidden).map(|j| v[j * rank + k]).collect::<Vec<_>>()).collect();
            let mut product = LowRankStack::new();
            product.push(0, LowRank::new(rank, hidden, hidden, down, &u, 1.0)?);
            heads.push(Self::LowRank {
                product,
                bias: Tensor::from_vec(bias, hidden, device)?,
                pool: Arc::clone(pool),
            });
        }
        Ok(heads)
    }

    /// `[rows, hidden]` to `[rows, hidden]`.
    ///
    /// # Errors
    /// If the shapes do not agree.
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Full(linear) => Ok(linear.forward(hidden, Input::Plain, None)?),
            Self::LowRank { product, bias, pool } => {
                let moved = hidden.broadcast_add(bias)?;
                Ok(product.add(moved, hidden, Input::Plain, &(0..hidden.dim(0)?), pool)?)
            }
        }
    }
}

type Read = (Vec<usize>, Vec<f32>);

fn from_pickle(path: &Path) -> Result<(Read, Read), ModelError> {
    if !path.exists() {
        let directory = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let message =
            "a reward model of kind \"checkpoint\" needs value_head.safetensors or value_head.bin, and neither is here";
        return Err(ModelError::weights(directory, message));
    }
    let tensors = candle_core::pickle::read_all(path)?;
    let find = |name: &str| -> Result<Read, ModelError> {
        let tensor = tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t);
        let tensor = tensor.ok_or_else(|| ModelError::weights(path, format!("tensor {name} is not in the file")))?;
        let values = tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1()?;
        Ok((tensor.dims().to_vec(), values))
    };
    Ok((find("v_head.summary.weight")?, find("v_head.summary.bias")?))
}
