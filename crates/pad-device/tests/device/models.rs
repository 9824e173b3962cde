//! The same weights on the CPU and on the device.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_device::{DeviceLanes, DeviceModel};
use pad_model::{Adapter, CachedModel, Dtype, KvDtype, Model, ModelConfig, ModelOptions, Pool, ValueHead};

use crate::host::Host;

/// Blocks of each cache.
pub const BLOCKS: usize = 64;

pub fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

pub fn json(name: &str, file: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(family(name).join(file)).unwrap()).unwrap()
}

/// A family on the device.
pub fn on_device(name: &str, dtype: Dtype, order: usize) -> DeviceModel {
    let mut weights = pad_model::open(&family(name)).unwrap();
    DeviceModel::load(weights.as_mut(), Box::new(Host::new(order)), dtype, |_| {}).unwrap()
}

/// What a model runs with beside its weights.
#[derive(Default)]
pub struct Beside {
    pub adapters: Vec<Adapter>,
    pub heads: Vec<ValueHead>,
}

/// Single precision on the CPU.
pub fn single() -> ModelOptions {
    ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) }
}

/// A family on the CPU, in single precision.
pub fn cached(name: &str, beside: Beside) -> CachedModel {
    let mut model = Model::open(&family(name), &single()).unwrap();
    beside.adapters.into_iter().for_each(|adapter| {
        model.add_adapter(adapter);
    });
    CachedModel::new(model, beside.heads, BLOCKS).unwrap()
}

/// The same on the device.
pub fn lanes(name: &str, beside: &Beside, order: usize) -> DeviceLanes {
    let mut model = on_device(name, Dtype::F32, order);
    beside.adapters.iter().for_each(|adapter| {
        model.add_adapter(adapter).unwrap();
    });
    DeviceLanes::new(model, &beside.heads, BLOCKS).unwrap()
}

fn tensor(seed: usize, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| ((i * 37 + seed * 101) % 41) as f32 / 41.0 - 0.5).collect::<Vec<_>>();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Seeded heads for a hidden size of 32, of ranks 2 and 3.
pub fn low_rank_heads() -> Vec<ValueHead> {
    let pool = Arc::new(Pool::new(1));
    let head = |seed: usize, rank: usize| {
        let folder = tempfile::tempdir().unwrap();
        let tensors = [("u", vec![32, rank]), ("v", vec![32, rank]), ("b", vec![32])];
        let named = tensors.iter().enumerate();
        let named = named.map(|(i, (name, shape))| (format!("heads.a.{name}"), tensor(seed + 7 * i, shape)));
        candle_core::safetensors::save(&named.collect(), folder.path().join("heads.safetensors")).unwrap();
        ValueHead::open_each(folder.path(), &[("a", 1.0)], 32, &Device::Cpu, &pool).unwrap().remove(0)
    };
    vec![head(0, 2), head(1, 3)]
}

/// The head of the released form.
pub fn full_head() -> ValueHead {
    ValueHead::open(&family("pad-checkpoint"), 32, &Device::Cpu, &Arc::new(Pool::new(1))).unwrap()
}

/// The adapter of `llama`, and a control vector for it.
pub fn adapters(config: &ModelConfig) -> Vec<Adapter> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vector.safetensors");
    let vector = [("direction.1".to_owned(), tensor(3, &[32]))].into_iter().collect();
    candle_core::safetensors::save(&vector, &path).unwrap();
    let lora = Adapter::open(&family("llama-lora"), config).unwrap();
    vec![lora, Adapter::control_vector(&path, config, &Device::Cpu).unwrap()]
}

/// [`adapters`], and three heads.
pub fn beside() -> Beside {
    let config = pad_model::open(&family("llama")).unwrap().config().clone();
    let heads = low_rank_heads().into_iter().chain([full_head()]).collect();
    Beside { adapters: adapters(&config), heads }
}
