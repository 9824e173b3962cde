//! Where models run: on the CPU or on a device, the same for base and reward model.

use std::sync::Arc;

use anyhow::Context;
use pad_decode::Bridge;
use pad_device::{Device, DeviceLanes, DeviceModel};
use pad_engine::LoadedWeights;
use pad_model::{Adapter, Model, ModelConfig, ModelOptions, Pool, ValueHead, Weights};

use crate::cores;
use crate::settings::{Dtype, KvDtype, ModelSettings, Quantise, Settings};

/// Where and how models run.
#[derive(Clone, Debug)]
pub struct Placement {
    /// How they run on the CPU, which reads value heads and adapters wherever they run.
    pub options: ModelOptions,
    device: Option<Device>,
}

/// Threads that compute on the CPU.
pub fn threads(settings: &ModelSettings) -> usize {
    if settings.threads == 0 { cores::physical() } else { settings.threads }
}

impl Placement {
    /// As the settings say. `auto` is the first device if there is one, unless weights or keys and values are to be kept as only the CPU
    /// keeps them.
    ///
    /// # Errors
    ///
    /// When the device is not there.
    pub fn of(settings: &Settings) -> anyhow::Result<Self> {
        let model = &settings.model;
        let needs_cpu = model.quantise != Quantise::Auto || settings.engine.kv_dtype != KvDtype::Auto;
        let device = match model.cuda() {
            Some(number) => {
                let opened = Device::open(number);
                Some(opened.with_context(|| format!("model.device `{}` cannot be used", model.device))?)
            }
            None if model.is_automatic() && !needs_cpu => {
                let why_not = |why| tracing::debug!(%why, "models run on the CPU: no other device can be used");
                Device::open(0).map_err(why_not).ok()
            }
            None => None,
        };
        Ok(Self { device, ..Self::cpu(settings) })
    }

    /// The CPU, whatever the settings say of the device.
    pub fn cpu(settings: &Settings) -> Self {
        let dtype = match (settings.model.dtype, settings.model.quantise) {
            (Dtype::Auto, Quantise::Q4) => pad_model::Dtype::Q4,
            (Dtype::Auto, Quantise::Auto | Quantise::Q8) => pad_model::Dtype::Auto,
            (Dtype::F32, _) => pad_model::Dtype::F32,
        };
        let kv_dtype = match settings.engine.kv_dtype {
            KvDtype::Auto => pad_model::KvDtype::Auto,
            KvDtype::Q8 => pad_model::KvDtype::Q8,
        };
        let pool = Arc::new(Pool::new(threads(&settings.model)));
        let options = ModelOptions { dtype, kv_dtype, device: candle_core::Device::Cpu, pool };
        Self { options, device: None }
    }

    /// What computes, in words.
    pub fn in_words(&self) -> String {
        match &self.device {
            None => format!("device cpu, threads {}", self.options.pool.threads()),
            Some(device) => format!("device {}", device.name()),
        }
    }

    /// Loads a model; `watch` is told how many of its layers are there.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or not as the configuration says, or the device does not run such a model.
    pub fn load(&self, weights: &mut dyn Weights, watch: impl FnMut(usize)) -> anyhow::Result<PlacedModel> {
        let Some(device) = &self.device else {
            return Ok(PlacedModel::Cpu(Box::new(Model::load_watched(weights, &self.options, watch)?)));
        };
        let model = DeviceModel::load(weights, device.queue()?, self.options.dtype, watch);
        let model = model.with_context(|| format!("on {} (model.device = \"cpu\" runs it)", device.name()))?;
        Ok(PlacedModel::Device(Box::new(model)))
    }
}

/// A model where it runs.
#[derive(Debug)]
pub enum PlacedModel {
    /// On the CPU.
    Cpu(Box<Model>),
    /// On a device.
    Device(Box<DeviceModel>),
}

impl PlacedModel {
    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        match self {
            Self::Cpu(model) => model.config(),
            Self::Device(model) => model.config(),
        }
    }

    /// The model on the CPU.
    ///
    /// # Errors
    ///
    /// When it is elsewhere.
    pub fn on_cpu(&self) -> anyhow::Result<&Model> {
        match self {
            Self::Cpu(model) => Ok(model),
            Self::Device(_) => anyhow::bail!("this needs model.device = \"cpu\""),
        }
    }

    /// Takes in an adapter of this model's shape; returns its number.
    ///
    /// # Errors
    ///
    /// When the device has not that much memory.
    pub fn add_adapter(&mut self, adapter: Adapter) -> anyhow::Result<usize> {
        match self {
            Self::Cpu(model) => Ok(model.add_adapter(adapter)),
            Self::Device(model) => Ok(model.add_adapter(&adapter)?),
        }
    }

    /// Bytes of weights in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Cpu(model) => model.bytes(),
            Self::Device(model) => model.bytes(),
        }
    }

    /// Bytes of its KV cache per position, all layers together.
    pub fn kv_bytes_per_position(&self) -> usize {
        match self {
            Self::Cpu(model) => model.kv_bytes_per_position(),
            Self::Device(model) => model.kv_bytes_per_position(),
        }
    }

    /// Bytes that are free where it runs; none on the CPU, or where the device does not tell.
    pub fn free_on_device(&mut self) -> Option<u64> {
        match self {
            Self::Cpu(_) => None,
            Self::Device(model) => model.free().map(|bytes| bytes as u64),
        }
    }

    /// The model with its value heads and room for so many blocks, over a bridge where its tokens are not the base model's.
    ///
    /// # Errors
    ///
    /// When there is not that much memory.
    pub fn with_cache(
        self,
        heads: Vec<ValueHead>,
        blocks: usize,
        bridge: Option<Arc<dyn Bridge>>,
    ) -> anyhow::Result<LoadedWeights> {
        let all = blocks + if bridge.is_some() { LoadedWeights::SPARE } else { 0 };
        let loaded = match self {
            Self::Cpu(model) => LoadedWeights::new(*model, heads, all)?,
            Self::Device(model) => LoadedWeights::of(DeviceLanes::new(*model, &heads, all)?),
        };
        Ok(match bridge {
            None => loaded,
            Some(bridge) => loaded.over(bridge),
        })
    }
}
