//! What changes a model's layers: LoRA adapters in PEFT's layout, `adapter_config.json` and `adapter_model.safetensors`.

use std::path::Path;

use candle_core::Device;
use pad_kernels::{FeedForward, LowRank, LowRankStack};
use serde::Deserialize;

use crate::control_vector;
use crate::layer_adapter::LayerAdapter;
use crate::safetensors::TensorFiles;
use crate::{LayerPart, ModelConfig, ModelError, Part};

/// A change of one model from [`Self::first_layer`] on: a low-rank adapter, by which `W x` becomes `W x + (alpha / r) B A x`, or a control
/// vector, by which what a layer gives becomes `x + strength * direction`.
#[derive(Clone, Debug)]
pub struct Adapter {
    first_layer: usize,
    /// Of the layers from `first_layer` on.
    layers: Vec<LayerAdapter>,
}

/// What of `adapter_config.json` changes the computation; anything else that would is refused.
#[derive(Debug, Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    rank_pattern: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    alpha_pattern: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
}

impl PeftConfig {
    fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(ModelError::io(path))?;
        let config: Self = serde_json::from_str(&text).map_err(|e| ModelError::config(path, e.to_string()))?;
        let refuse = |message: &str| Err(ModelError::config(path, message));
        if config.peft_type != "LORA" {
            return refuse(&format!("peft_type is {:?}; \"LORA\" is supported", config.peft_type));
        }
        if config.use_dora {
            return refuse("use_dora is true; plain LoRA is supported");
        }
        if !config.rank_pattern.is_empty() || !config.alpha_pattern.is_empty() {
            return refuse(
                "rank_pattern or alpha_pattern is set; one rank and one alpha for all matrices are supported",
            );
        }
        if config.modules_to_save.as_ref().is_some_and(|modules| !modules.is_empty()) {
            return refuse("modules_to_save is set; an adapter with whole modules is not supported");
        }
        if config.r == 0 || !config.lora_alpha.is_finite() {
            return refuse("r must be at least 1 and lora_alpha a number");
        }
        Ok(config)
    }

    fn scale(&self) -> f32 {
        let rank = self.r as f32;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }
}

impl Adapter {
    /// Whether a folder has an adapter.
    pub fn is_in(directory: &Path) -> bool {
        directory.join("adapter_config.json").exists()
    }

    /// Read the adapter in `directory` for a model of this shape.
    ///
    /// # Errors
    /// If a file is missing, an option is not supported, or a tensor is unknown, half there or of another shape.
    pub fn open(directory: &Path, model: &ModelConfig) -> Result<Self, ModelError> {
        let config = PeftConfig::read(&directory.join("adapter_config.json"))?;
        let path = directory.join("adapter_model.safetensors");
        let mut reader = Reader { tensors: TensorFiles::open(vec![path.clone()])?, config, model, used: 0 };
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
        let layers = layers.drain(first_layer..).map(Option::unwrap_or_default).collect();
        Ok(Self { first_layer, layers })
    }

    /// Read a control vector, `direction.N` `[hidden]` for layers N in GGUF or safetensors, for a model of this shape.
    ///
    /// # Errors
    /// If the file cannot be read, or a tensor is unknown or of another shape.
    pub fn control_vector(path: &Path, model: &ModelConfig, device: &Device) -> Result<Self, ModelError> {
        let (first_layer, layers) = control_vector::layers(path, model, device)?;
        Ok(Self { first_layer, layers })
    }

    /// The first layer that it changes. What the layers below compute is the model's own: the trunk.
    pub fn first_layer(&self) -> usize {
        self.first_layer
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let matrices =
            |l: &LayerAdapter| l.qkv.bytes() + l.attention_output.bytes() + l.gate_up.bytes() + l.down.bytes();
        let direction =
            |l: &LayerAdapter| l.direction.as_ref().map_or(0, |d| d.elem_count() * d.dtype().size_in_bytes());
        self.layers.iter().map(|layer| matrices(layer) + direction(layer)).sum()
    }

    /// What it adds to a layer, if anything.
    pub(crate) fn layer(&self, layer: usize) -> Option<&LayerAdapter> {
        self.layers.get(layer.checked_sub(self.first_layer)?)
    }
}

struct Reader<'a> {
    tensors: TensorFiles,
    config: PeftConfig,
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
        self.read(layer, LayerPart::Query, hidden, queries, 0, &mut adapter.qkv)?;
        self.read(layer, LayerPart::Key, hidden, keys, queries, &mut adapter.qkv)?;
        self.read(layer, LayerPart::Value, hidden, keys, queries + keys, &mut adapter.qkv)?;
        self.read(layer, LayerPart::AttentionOutput, queries, hidden, 0, &mut adapter.attention_output)?;
        self.read(layer, LayerPart::Gate, hidden, width, 0, &mut adapter.gate_up)?;
        self.read(layer, LayerPart::Up, hidden, width, FeedForward::padded(width), &mut adapter.gate_up)?;
        self.read(layer, LayerPart::Down, width, hidden, 0, &mut adapter.down)?;
        self.read_fused(layer, &mut adapter)?;
        Ok((self.used > before).then_some(adapter))
    }

    /// Read A and B of matrices that a family has as one.
    fn read_fused(&mut self, layer: usize, adapter: &mut LayerAdapter) -> Result<(), ModelError> {
        let ModelConfig { hidden, heads, kv_heads, head_dim, intermediate: width, .. } = *self.model;
        let (rank, scale) = (self.config.r, self.config.scale());
        let name =
            |matrix: &str, side: char| format!("base_model.model.model.layers.{layer}.{matrix}.lora_{side}.weight");
        let (qkv, gate_up) = ("self_attn.qkv_proj", "mlp.gate_up_proj");
        if self.tensors.has(&name(qkv, 'A')) || self.tensors.has(&name(qkv, 'B')) {
            let outputs = (heads + 2 * kv_heads) * head_dim;
            let down = self.matrix(&name(qkv, 'A'), [rank, hidden])?;
            let up = self.matrix(&name(qkv, 'B'), [outputs, rank])?;
            adapter.qkv.push(0, LowRank::new(rank, hidden, outputs, down, &up, scale)?);
        }
        if self.tensors.has(&name(gate_up, 'A')) || self.tensors.has(&name(gate_up, 'B')) {
            let down = self.matrix(&name(gate_up, 'A'), [rank, hidden])?;
            let up = self.matrix(&name(gate_up, 'B'), [2 * width, rank])?;
            let (gates, ups) = up.split_at(width * rank);
            adapter.gate_up.push(0, LowRank::new(rank, hidden, width, down.clone(), gates, scale)?);
            adapter.gate_up.push(FeedForward::padded(width), LowRank::new(rank, hidden, width, down, ups, scale)?);
        }
        Ok(())
    }

    /// Read A and B of one matrix, if they are there, to the outputs of `stack` from `start` on.
    fn read(
        &mut self,
        layer: usize,
        part: LayerPart,
        inputs: usize,
        outputs: usize,
        start: usize,
        stack: &mut LowRankStack,
    ) -> Result<(), ModelError> {
        let name = |side| format!("base_model.model.{}.lora_{side}.weight", Part::Layer(layer, part).hugging_face());
        if !self.tensors.has(&name("A")) && !self.tensors.has(&name("B")) {
            return Ok(());
        }
        let rank = self.config.r;
        let down = self.matrix(&name("A"), [rank, inputs])?;
        let up = self.matrix(&name("B"), [outputs, rank])?;
        stack.push(start, LowRank::new(rank, inputs, outputs, down, &up, self.config.scale())?);
        Ok(())
    }

    fn matrix(&mut self, name: &str, wanted: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        let values = self.tensors.read_shaped(name, &wanted)?;
        self.used += 1;
        Ok(values)
    }
}
