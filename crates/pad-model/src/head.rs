//! Value heads: the trained part of a reward model between the final norm and the unembedding.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_kernels::{Format, Input, Linear, LowRank, LowRankStack, PackedWeights, Pool};

use crate::ModelError;
use crate::error::plain;
use crate::matrix::check_finite;
use crate::safetensors::TensorFiles;

/// The names of the tensors of the released checkpoints.
const WEIGHT: &str = "v_head.summary.weight";
const BIAS: &str = "v_head.summary.bias";

/// What stands between the final norm and the unembedding. Kept in single precision: heads start as the identity, which 8-bit
/// blocks would blur.
#[derive(Clone, Debug)]
pub enum ValueHead {
    /// `h' = W h + b`, the head of the released checkpoints: `W` `[hidden, hidden]`, `b` `[hidden]`.
    Full(Linear),
    /// `h' = h + U V^T h + b`, one dimension's head of a reward model of kind `heads`.
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
            let file = TensorFiles::open(vec![path.clone()])?;
            (file.read_shaped(WEIGHT, &[hidden, hidden])?, file.read_shaped(BIAS, &[hidden])?)
        } else {
            from_pickle(&directory.join("value_head.bin"), hidden)?
        };
        let linear = if device.is_cpu() {
            let weights = Arc::new(PackedWeights::from_f32(Format::F32, hidden, hidden, &weight));
            Linear::Packed { weights, bias: Some(bias.into()), pool: Arc::clone(pool) }
        } else {
            let weight = Tensor::from_vec(weight, (hidden, hidden), device)?;
            Linear::Dense { weight, bias: Some(Tensor::from_vec(bias, hidden, device)?) }
        };
        Ok(Self::Full(linear))
    }

    /// Read the heads of these dimensions from `heads.safetensors` in a reward model's directory: `heads.NAME.u` and
    /// `heads.NAME.v` `[hidden, rank]`, `heads.NAME.b` `[hidden]`; each with what its rewards are multiplied by: `s (U V^T h + b)` is added.
    ///
    /// # Errors
    /// If a tensor is missing, of another shape, or belongs to no dimension.
    pub fn open_each(
        directory: &Path,
        dimensions: &[(&str, f32)],
        hidden: usize,
        device: &Device,
        pool: &Arc<Pool>,
    ) -> Result<Vec<Self>, ModelError> {
        let path = directory.join("heads.safetensors");
        let file = TensorFiles::open(vec![path.clone()])?;
        let refuse = |message: String| Err(ModelError::weights(&path, message));
        if file.len() != 3 * dimensions.len() {
            return refuse(format!("it has {} tensors; {} dimensions have 3 each", file.len(), dimensions.len()));
        }
        let mut heads = Vec::with_capacity(dimensions.len());
        for (name, scale) in dimensions {
            let (shape, u) = file.read(&format!("heads.{name}.u"))?;
            let rank = match shape[..] {
                [outputs, rank @ 1..=LowRank::MAX_RANK] if outputs == hidden => rank,
                _ => {
                    return refuse(format!(
                        "tensor heads.{name}.u: its shape is {shape:?}, [{hidden}, r] with r from 1 to {} fits the model",
                        LowRank::MAX_RANK
                    ));
                }
            };
            let v = file.read_shaped(&format!("heads.{name}.v"), &[hidden, rank])?;
            let mut bias = file.read_shaped(&format!("heads.{name}.b"), &[hidden])?;
            bias.iter_mut().for_each(|value| *value *= scale);
            let down = (0..rank).flat_map(|k| (0..hidden).map(|j| v[j * rank + k]).collect::<Vec<_>>()).collect();
            let mut product = LowRankStack::new();
            product.push(0, LowRank::new(rank, hidden, hidden, down, &u, *scale)?);
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

/// Weight and bias of a value head of `[hidden, hidden]` and `[hidden]`.
fn from_pickle(path: &Path, hidden: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
    if !path.exists() {
        let directory = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let message =
            "a reward model of kind \"checkpoint\" needs value_head.safetensors or value_head.bin; neither was found";
        return Err(ModelError::weights(directory, message));
    }
    let fail = |name: &str, message: String| ModelError::weights(path, format!("tensor {name}: {message}"));
    let tensors = candle_core::pickle::PthTensors::new(path, None)
        .map_err(|e| ModelError::weights(path, format!("not a readable pickle of tensors: {}", plain(&e))))?;
    let find = |name: &str, shape: &[usize]| -> Result<Vec<f32>, ModelError> {
        // The shape is checked before anything of that size is made.
        let found = tensors.tensor_infos().get(name).ok_or_else(|| fail(name, "not in the file".to_owned()))?;
        if found.layout.dims() != shape {
            let dims = found.layout.dims();
            return Err(fail(name, format!("its shape is {dims:?}, the model's figures say {shape:?}")));
        }
        let tensor = tensors.get(name)?.ok_or_else(|| fail(name, "not in the file".to_owned()))?;
        let values: Vec<f32> = tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1()?;
        check_finite(&values).map_err(|message| fail(name, message))?;
        Ok(values)
    };
    Ok((find(WEIGHT, &[hidden, hidden])?, find(BIAS, &[hidden])?))
}
