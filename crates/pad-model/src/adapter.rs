//! What changes a model's layers: low-rank adapters, plain and bilinear, and control vectors.

use std::path::Path;

use candle_core::Device;

use crate::layer_adapter::LayerAdapter;
use crate::peft::Form;
use crate::{ModelConfig, ModelError, Strength, adapter_layers, control_vector, peft};

/// A change of one model from [`Self::first_layer`] on: a low-rank adapter, by which `W x` becomes `W x + (alpha / r) B A x`, one whose core
/// depends on weights, by which it becomes `W x + (alpha / r2) (B1 W1 A1 + B2 (sum_i w_i W2_i) A2) x`, or a control vector, by which what a
/// layer gives becomes `x + strength * direction`.
#[derive(Clone, Debug)]
pub struct Adapter {
    first_layer: usize,
    /// Of the layers from `first_layer` on.
    layers: Vec<LayerAdapter>,
    /// How many weights a lane gives the cores of a bilinear adapter.
    weights: Option<usize>,
}

impl Adapter {
    /// Whether a folder has an adapter.
    pub fn is_in(directory: &Path) -> bool {
        peft::config_file(directory).exists()
    }

    /// Read the LoRA adapter in `directory` for a model of this shape.
    ///
    /// # Errors
    /// If a file is missing, an option is not supported, or a tensor is unknown, half there or of another shape.
    pub fn open(directory: &Path, model: &ModelConfig) -> Result<Self, ModelError> {
        Self::low_rank(directory, Form::lora(directory)?, model)
    }

    /// Read the bilinear adapter of so many dimensions in `directory`, as PARM trains it, for a model of this shape.
    ///
    /// # Errors
    /// As for [`Self::open`], and if it has another number of dimensions.
    pub fn bilinear(directory: &Path, dimensions: usize, model: &ModelConfig) -> Result<Self, ModelError> {
        Self::low_rank(directory, Form::bilinear(directory, dimensions)?, model)
    }

    fn low_rank(directory: &Path, form: Form, model: &ModelConfig) -> Result<Self, ModelError> {
        let weights = form.weights();
        let (first_layer, layers) = adapter_layers::read(directory, form, model)?;
        Ok(Self { first_layer, layers, weights })
    }

    /// Read a control vector, `direction.N` `[hidden]` for layers N in GGUF or safetensors, for a model of this shape.
    ///
    /// # Errors
    /// If the file cannot be read, or a tensor is unknown or of another shape.
    pub fn control_vector(path: &Path, model: &ModelConfig, device: &Device) -> Result<Self, ModelError> {
        let (first_layer, layers) = control_vector::layers(path, model, device)?;
        Ok(Self { first_layer, layers, weights: None })
    }

    /// Whether a lane gives its cores weights.
    pub fn is_bilinear(&self) -> bool {
        self.weights.is_some()
    }

    /// The first layer that it changes. What the layers below compute is the model's own: the trunk.
    pub fn first_layer(&self) -> usize {
        self.first_layer
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(LayerAdapter::bytes).sum()
    }

    /// What it adds to a layer, if anything.
    pub fn layer(&self, layer: usize) -> Option<&LayerAdapter> {
        self.layers.get(layer.checked_sub(self.first_layer)?)
    }

    /// Refuse a strength that is not one of this adapter's.
    pub(crate) fn check(&self, strength: &Strength) -> Result<(), ModelError> {
        let given = strength.weights().map(|weights| weights.len());
        if given == self.weights {
            return Ok(());
        }
        let said =
            |weights: Option<usize>| weights.map_or("no weights".to_owned(), |weights| format!("{weights} weights"));
        Err(ModelError::Batch(format!("an adapter of {} is given {}", said(self.weights), said(given))))
    }
}
