//! Low-rank adapters in PEFT's layout, `adapter_config.json` and `adapter_model.safetensors`: LoRA, and PARM's `PBLoRA`, whose core depends on
//! the weights of dimensions.

use std::ops::Range;
use std::path::{Path, PathBuf};

use pad_kernels::LowRank;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ModelError;
use crate::safetensors::TensorFiles;

/// The configuration of the adapter in a folder.
pub fn config_file(directory: &Path) -> PathBuf {
    directory.join("adapter_config.json")
}

/// What of a LoRA's configuration changes the computation; anything else that would is refused.
#[derive(Debug, Deserialize)]
struct LoraConfig {
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    rank_pattern: Map<String, Value>,
    #[serde(default)]
    alpha_pattern: Map<String, Value>,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
}

/// The same of a `PBLoRA`. `pref_vec_init` is left to requests.
#[derive(Debug, Deserialize)]
struct BilinearConfig {
    r1: usize,
    r2: usize,
    obj_num: usize,
    lora_alpha: f32,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
}

/// How the low-rank addition to a matrix is stored.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// `scale * B A`: `lora_A` `[rank, inputs]` and `lora_B` `[outputs, rank]`.
    Lora { rank: usize, scale: f32 },
    /// `scale * (B1 W1 A1 + B2 (sum_i w_i W2_i) A2)`: `pblora_A` `[r1 + r2, inputs]`, `pblora_B` `[outputs, r1 + r2]`, `pblora_W1` `[r1, r1]`
    /// and `pblora_W2` `[dimensions, r2 * r2]`.
    Bilinear { r1: usize, r2: usize, dimensions: usize, scale: f32 },
}

/// A part of the addition to a matrix.
#[derive(Debug)]
pub struct Part {
    rank: usize,
    inputs: usize,
    scale: f32,
    /// `[rank, inputs]`
    down: Vec<f32>,
    /// `[outputs, rank]`
    up: Vec<f32>,
    /// `[dimensions, rank, rank]`, where its core depends on weights.
    cores: Option<Vec<f32>>,
}

/// Reads a configuration of this type.
fn config<T: DeserializeOwned>(path: &Path, peft_type: &str) -> Result<T, ModelError> {
    let text = std::fs::read_to_string(path).map_err(ModelError::io(path))?;
    let config: Value = serde_json::from_str(&text).map_err(|e| ModelError::config(path, e.to_string()))?;
    if config["peft_type"] != peft_type {
        let message = format!("peft_type is {}; {peft_type:?} is supported", config["peft_type"]);
        return Err(ModelError::config(path, message));
    }
    serde_json::from_value(config).map_err(|e| ModelError::config(path, e.to_string()))
}

/// Refuses an adapter that brings whole modules.
fn check_modules(path: &Path, modules_to_save: Option<&Vec<String>>) -> Result<(), ModelError> {
    if modules_to_save.is_some_and(|modules| !modules.is_empty()) {
        return Err(ModelError::config(path, "modules_to_save is set; an adapter with whole modules is not supported"));
    }
    Ok(())
}

impl Form {
    /// That of the LoRA in `directory`.
    pub fn lora(directory: &Path) -> Result<Self, ModelError> {
        let path = &config_file(directory);
        let config: LoraConfig = config(path, "LORA")?;
        let refuse = |message: &str| Err(ModelError::config(path, message));
        if config.use_dora {
            return refuse("use_dora is true; plain LoRA is supported");
        }
        if !config.rank_pattern.is_empty() || !config.alpha_pattern.is_empty() {
            return refuse(
                "rank_pattern or alpha_pattern is set; one rank and one alpha for all matrices are supported",
            );
        }
        check_modules(path, config.modules_to_save.as_ref())?;
        if config.r == 0 || !config.lora_alpha.is_finite() {
            return refuse("r must be at least 1 and lora_alpha a number");
        }
        let rank = config.r as f32;
        let scale = config.lora_alpha / if config.use_rslora { rank.sqrt() } else { rank };
        Ok(Self::Lora { rank: config.r, scale })
    }

    /// That of the bilinear adapter of so many dimensions in `directory`.
    pub fn bilinear(directory: &Path, dimensions: usize) -> Result<Self, ModelError> {
        let path = &config_file(directory);
        let BilinearConfig { r1, r2, obj_num, lora_alpha, fan_in_fan_out, modules_to_save } = config(path, "PBLORA")?;
        check_modules(path, modules_to_save.as_ref())?;
        let refuse = |message: String| Err(ModelError::config(path, message));
        if fan_in_fan_out {
            return refuse("fan_in_fan_out is true; weights [outputs, inputs] are supported".to_owned());
        }
        if obj_num != dimensions {
            return refuse(format!("obj_num is {obj_num}; the reward model has {dimensions} dimensions"));
        }
        let ranks = 1..=LowRank::MAX_RANK;
        if !ranks.contains(&r1) || !ranks.contains(&r2) || !lora_alpha.is_finite() {
            let most = LowRank::MAX_RANK;
            return refuse(format!("r1 is {r1} and r2 is {r2}; both must be 1 to {most}, and lora_alpha a number"));
        }
        Ok(Self::Bilinear { r1, r2, dimensions, scale: lora_alpha / r2 as f32 })
    }

    /// How many weights a lane gives the cores.
    pub fn weights(self) -> Option<usize> {
        match self {
            Self::Lora { .. } => None,
            Self::Bilinear { dimensions, .. } => Some(dimensions),
        }
    }

    /// The names of its tensors for a module of the model.
    pub fn tensors(self, module: &str) -> Vec<String> {
        let ends: &[&str] = match self {
            Self::Lora { .. } => &["lora_A.weight", "lora_B.weight"],
            Self::Bilinear { .. } => &["pblora_A", "pblora_B", "pblora_W1", "pblora_W2"],
        };
        ends.iter().map(|end| format!("base_model.model.{module}.{end}")).collect()
    }

    /// The parts of the addition to a module.
    pub fn read(
        self,
        tensors: &TensorFiles,
        module: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Vec<Part>, ModelError> {
        let names = self.tensors(module);
        let tensor = |at: usize, shape: [usize; 2]| tensors.read_shaped(&names[at], &shape);
        match self {
            Self::Lora { rank, scale } => {
                let (down, up) = (tensor(0, [rank, inputs])?, tensor(1, [outputs, rank])?);
                Ok(vec![Part { rank, inputs, scale, down, up, cores: None }])
            }
            Self::Bilinear { r1, r2, dimensions, scale } => {
                let rank = r1 + r2;
                let (mut down, up) = (tensor(0, [rank, inputs])?, tensor(1, [outputs, rank])?);
                let (fixed, cores) = (tensor(2, [r1, r1])?, tensor(3, [dimensions, r2 * r2])?);
                let second = down.split_off(r1 * inputs);
                let rows = || up.chunks_exact(rank);
                // W1 is the same for all weights: B1 W1 is multiplied once.
                let fixed = fixed.as_slice();
                let first = rows().flat_map(|row| (0..r1).map(move |j| through(&row[..r1], fixed, j))).collect();
                let up = rows().flat_map(|row| &row[r1..]).copied().collect();
                Ok(vec![
                    Part { rank: r1, inputs, scale, down, up: first, cores: None },
                    Part { rank: r2, inputs, scale, down: second, up, cores: Some(cores) },
                ])
            }
        }
    }
}

/// A row of B times column `j` of a core.
fn through(row: &[f32], core: &[f32], j: usize) -> f32 {
    let products = row.iter().zip(core.chunks_exact(row.len())).map(|(b, w)| f64::from(*b) * f64::from(w[j]));
    products.sum::<f64>() as f32
}

impl Part {
    /// The product for these of its outputs.
    pub fn product(&self, outputs: Range<usize>) -> Result<LowRank, ModelError> {
        let up = &self.up[outputs.start * self.rank..outputs.end * self.rank];
        let product = LowRank::new(self.rank, self.inputs, outputs.len(), self.down.clone(), up, self.scale)?;
        Ok(match &self.cores {
            None => product,
            Some(cores) => product.with_cores(cores.clone())?,
        })
    }
}
