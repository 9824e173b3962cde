//! The low-rank adapter of stage 1: `W x + (alpha / rank) B A x` in the upper layers.

use std::ops::Range;

use candle_core::{Device, Tensor, Var};
use pad_model::{LayerPart, ModelConfig};
use serde::{Deserialize, Serialize};

use crate::draws::Draws;

/// The linear layers that can have an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Queries.
    #[serde(rename = "q_proj")]
    Query,
    /// Keys.
    #[serde(rename = "k_proj")]
    Key,
    /// Values.
    #[serde(rename = "v_proj")]
    Value,
    /// Attention's output.
    #[serde(rename = "o_proj")]
    AttentionOutput,
    /// Gates.
    #[serde(rename = "gate_proj")]
    Gate,
    /// Up.
    #[serde(rename = "up_proj")]
    Up,
    /// Down.
    #[serde(rename = "down_proj")]
    Down,
}

impl Target {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::AttentionOutput, Self::Gate, Self::Up, Self::Down];

    /// The name of its layer in PEFT's files.
    pub fn name(self) -> &'static str {
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"][self as usize]
    }

    /// The target of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    pub(crate) fn part(self) -> LayerPart {
        match self {
            Self::Query => LayerPart::Query,
            Self::Key => LayerPart::Key,
            Self::Value => LayerPart::Value,
            Self::AttentionOutput => LayerPart::AttentionOutput,
            Self::Gate => LayerPart::Gate,
            Self::Up => LayerPart::Up,
            Self::Down => LayerPart::Down,
        }
    }

    /// Outputs and inputs.
    pub(crate) fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (wide, narrow) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        match self {
            Self::Query => (wide, config.hidden),
            Self::Key | Self::Value => (narrow, config.hidden),
            Self::AttentionOutput => (config.hidden, wide),
            Self::Gate | Self::Up => (config.intermediate, config.hidden),
            Self::Down => (config.hidden, config.intermediate),
        }
    }
}

/// `A` `[rank, inputs]` and `B` `[outputs, rank]` for every target of every layer of a range.
#[derive(Debug)]
pub struct Adapter {
    /// The layers that have it.
    pub layers: Range<usize>,
    /// Inner width.
    pub rank: usize,
    /// The scale's numerator.
    pub alpha: f32,
    /// The linear layers that have it.
    pub targets: Vec<Target>,
    /// Layer by layer, target by target.
    pairs: Vec<(Var, Var)>,
}

impl Adapter {
    /// `A` uniform as in PEFT (Kaiming), `B` zero: at first nothing changes.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(
        config: &ModelConfig,
        layers: Range<usize>,
        (rank, alpha): (usize, f32),
        targets: &[Target],
        draws: &mut Draws,
    ) -> candle_core::Result<Self> {
        let mut pairs = Vec::new();
        for target in layers.clone().flat_map(|_| targets) {
            let (outputs, inputs) = target.shape(config);
            let bound = 1.0 / (inputs as f32).sqrt();
            let a: Vec<f32> = (0..rank * inputs).map(|_| (2.0 * draws.uniform() - 1.0) * bound).collect();
            let a = Tensor::from_vec(a, (rank, inputs), &Device::Cpu)?;
            let b = Tensor::zeros((outputs, rank), candle_core::DType::F32, &Device::Cpu)?;
            pairs.push((Var::from_tensor(&a)?, Var::from_tensor(&b)?));
        }
        Ok(Self { layers, rank, alpha, targets: targets.to_vec(), pairs })
    }

    /// `alpha / rank`.
    pub fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }

    /// `A` and `B` of one linear layer, if it has them.
    pub fn pair(&self, layer: usize, target: Target) -> Option<(&Tensor, &Tensor)> {
        let at = self.targets.iter().position(|t| *t == target)?;
        let layer = self.layers.contains(&layer).then(|| layer - self.layers.start)?;
        let (a, b) = &self.pairs[layer * self.targets.len() + at];
        Some((a.as_tensor(), b.as_tensor()))
    }

    /// The trained parameters, under PEFT's names.
    pub fn variables(&self) -> Vec<(String, Var)> {
        let places = self.layers.clone().flat_map(|layer| self.targets.iter().map(move |target| (layer, target)));
        let mut all = Vec::with_capacity(2 * self.pairs.len());
        for ((layer, target), (a, b)) in places.zip(&self.pairs) {
            let block = match target {
                Target::Gate | Target::Up | Target::Down => "mlp",
                _ => "self_attn",
            };
            let name = format!("base_model.model.model.layers.{layer}.{block}.{}", target.name());
            all.push((format!("{name}.lora_A.weight"), a.clone()));
            all.push((format!("{name}.lora_B.weight"), b.clone()));
        }
        all
    }
}
