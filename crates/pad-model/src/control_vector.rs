//! Control vectors: directions that are added to the residual stream behind layers. The files are those of `repeng` and llama.cpp, one
//! tensor `direction.N` `[hidden]` for each layer N, counted from 0, in GGUF or safetensors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};

use crate::error::plain;
use crate::layer_adapter::LayerAdapter;
use crate::matrix::check_finite;
use crate::safetensors::TensorFiles;
use crate::{ModelConfig, ModelError};

const PREFIX: &str = "direction.";

/// The first layer with a direction and, from there on, what is added to each layer of a model of this shape: behind layer N, `x` becomes
/// `x + strength * direction.N`.
///
/// # Errors
/// If the file cannot be read, has a tensor of another name, shape or layer, or none at all.
pub fn layers(path: &Path, model: &ModelConfig, device: &Device) -> Result<(usize, Vec<LayerAdapter>), ModelError> {
    let gguf = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    let directions = if gguf { from_gguf(path, model)? } else { from_safetensors(path, model)? };
    let (Some(&first), Some(&last)) = (directions.keys().next(), directions.keys().next_back()) else {
        return Err(ModelError::weights(path, "it has no tensors; a control vector has `direction.N` for layers N"));
    };
    let mut layers = vec![LayerAdapter::default(); last - first + 1];
    for (layer, direction) in directions {
        layers[layer - first].direction = Some(Tensor::from_vec(direction, (1, model.hidden), device)?);
    }
    Ok((first, layers))
}

fn from_safetensors(path: &Path, model: &ModelConfig) -> Result<BTreeMap<usize, Vec<f32>>, ModelError> {
    let file = TensorFiles::open(vec![path.to_owned()])?;
    let read = |name: &String| Ok((layer(path, name, model)?, file.read_shaped(name, &[model.hidden])?));
    file.names().map(read).collect()
}

fn from_gguf(path: &Path, model: &ModelConfig) -> Result<BTreeMap<usize, Vec<f32>>, ModelError> {
    let mut reader = BufReader::new(File::open(path).map_err(ModelError::io(path))?);
    let content = Content::read(&mut reader)
        .map_err(|e| ModelError::config(path, format!("not a readable GGUF file: {}", plain(&e))))?;
    let mut directions = BTreeMap::new();
    for (name, info) in &content.tensor_infos {
        let layer = layer(path, name, model)?;
        let refuse = |message: String| ModelError::weights(path, format!("tensor {name}: {message}"));
        // The shape is checked before anything of that size is made.
        if info.shape.dims() != [model.hidden] {
            let (found, hidden) = (info.shape.dims(), model.hidden);
            return Err(refuse(format!("its shape is {found:?}, the model's figures say [{hidden}]")));
        }
        let read = content.tensor(&mut reader, name, &Device::Cpu).and_then(|tensor| tensor.dequantize(&Device::Cpu));
        let values: Vec<f32> = read.and_then(|tensor| tensor.to_vec1()).map_err(|e| refuse(plain(&e)))?;
        check_finite(&values).map_err(refuse)?;
        directions.insert(layer, values);
    }
    Ok(directions)
}

/// The layer that a tensor's name says.
fn layer(path: &Path, name: &str, model: &ModelConfig) -> Result<usize, ModelError> {
    let layer = name.strip_prefix(PREFIX).and_then(|layer| layer.parse().ok()).filter(|layer| *layer < model.layers);
    layer.ok_or_else(|| {
        let allowed =
            format!("a control vector of this model has {PREFIX}0 to {PREFIX}{}", model.layers.saturating_sub(1));
        ModelError::weights(path, format!("tensor {name}: {allowed}"))
    })
}
