//! A low-rank adapter's additions, sorted by the layers and the stacked matrices of a model.

use std::path::Path;

use pad_kernels::{FeedForward, LowRankStack};

use crate::layer_adapter::LayerAdapter;
use crate::peft::Form;
use crate::safetensors::TensorFiles;
use crate::{LayerPart, ModelConfig, ModelError, Part};

/// The first layer that the adapter in `directory` changes and, from there on, what it adds to each layer of a model of this shape.
///
/// # Errors
/// If the file is missing, or a tensor is unknown, half there or of another shape.
pub fn read(directory: &Path, form: Form, model: &ModelConfig) -> Result<(usize, Vec<LayerAdapter>), ModelError> {
    let path = directory.join("adapter_model.safetensors");
    let mut reader = Reader { tensors: TensorFiles::open(vec![path.clone()])?, form, model, used: 0 };
    let mut layers: Vec<Option<LayerAdapter>> =
        (0..model.layers).map(|layer| reader.layer(layer)).collect::<Result<_, _>>()?;
    if reader.used != reader.tensors.len() {
        let unknown = reader.tensors.len() - reader.used;
        let message =
            format!("{unknown} of its tensors belong to no linear layer of a model of {} layers", model.layers);
        return Err(ModelError::weights(path, message));
    }
    let Some(first_layer) = layers.iter().position(Option::is_some) else {
        return Err(ModelError::weights(path, "it has no tensors"));
    };
    Ok((first_layer, layers.drain(first_layer..).map(Option::unwrap_or_default).collect()))
}

struct Reader<'a> {
    tensors: TensorFiles,
    form: Form,
    model: &'a ModelConfig,
    /// Tensors read so far.
    used: usize,
}

impl Reader<'_> {
    fn layer(&mut self, layer: usize) -> Result<Option<LayerAdapter>, ModelError> {
        let ModelConfig { hidden, heads, kv_heads, head_dim, intermediate: width, .. } = *self.model;
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        let before = self.used;
        let mut adapter = LayerAdapter::default();
        let LayerAdapter { qkv, attention_output, gate_up, down, .. } = &mut adapter;
        let part = |part| Part::Layer(layer, part).hugging_face();
        self.read(&part(LayerPart::Query), hidden, &[(0, queries)], qkv)?;
        self.read(&part(LayerPart::Key), hidden, &[(queries, keys)], qkv)?;
        self.read(&part(LayerPart::Value), hidden, &[(queries + keys, keys)], qkv)?;
        self.read(&part(LayerPart::AttentionOutput), queries, &[(0, hidden)], attention_output)?;
        self.read(&part(LayerPart::Gate), hidden, &[(0, width)], gate_up)?;
        self.read(&part(LayerPart::Up), hidden, &[(FeedForward::padded(width), width)], gate_up)?;
        self.read(&part(LayerPart::Down), width, &[(0, hidden)], down)?;
        // Matrices that a family has as one.
        let fused = |matrix: &str| format!("model.layers.{layer}.{matrix}");
        self.read(&fused("self_attn.qkv_proj"), hidden, &[(0, queries + 2 * keys)], qkv)?;
        let gates_and_ups = [(0, width), (FeedForward::padded(width), width)];
        self.read(&fused("mlp.gate_up_proj"), hidden, &gates_and_ups, gate_up)?;
        Ok((self.used > before).then_some(adapter))
    }

    /// Read the addition to a module, if it is there. Its outputs go, in order, to those of `stack` from each start on, so many of them.
    fn read(
        &mut self,
        module: &str,
        inputs: usize,
        places: &[(usize, usize)],
        stack: &mut LowRankStack,
    ) -> Result<(), ModelError> {
        let names = self.form.tensors(module);
        if !names.iter().any(|name| self.tensors.has(name)) {
            return Ok(());
        }
        let outputs = places.iter().map(|(_, count)| count).sum();
        for part in self.form.read(&self.tensors, module, [outputs, inputs])? {
            let mut from = 0;
            for &(start, count) in places {
                stack.push(start, part.product(from..from + count)?);
                from += count;
            }
        }
        self.used += names.len();
        Ok(())
    }
}
