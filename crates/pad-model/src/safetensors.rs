//! Weights from a directory in Hugging Face layout: `config.json` and one or more `.safetensors` files.
//!
//! Tensors are read while they are packed, so that loading needs the packed weights' memory, not the checkpoint's.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pad_kernels::Encoding;
use safetensors::Dtype as Kind;
use safetensors::tensor::Metadata;

use crate::place::{Place, choose};
use crate::weights::most_bytes;
use crate::{Matrix, ModelConfig, ModelError, Part, PartTensor, TensorBytes, TensorFile, Weights, config};

/// Where one tensor lies.
#[derive(Clone, Debug)]
struct Entry {
    file: usize,
    start: u64,
    len: usize,
    kind: Kind,
    shape: Vec<usize>,
}

/// The tensors of some `.safetensors` files, by name.
#[derive(Debug)]
pub struct TensorFiles {
    files: Vec<Arc<TensorFile>>,
    entries: HashMap<String, Entry>,
}

impl TensorFiles {
    /// Read the headers of these files.
    ///
    /// # Errors
    /// If a file cannot be read or is not a safetensors file.
    pub fn open(paths: Vec<PathBuf>) -> Result<Self, ModelError> {
        let mut all = Self { files: Vec::new(), entries: HashMap::new() };
        for path in paths {
            let file = TensorFile::open(&path)?;
            let mut len = [0; 8];
            file.read(0, &mut len)?;
            let (header_len, size) = (u64::from_le_bytes(len), file.size());
            if header_len > size.saturating_sub(8) {
                return Err(ModelError::weights(&path, "the header is longer than the file"));
            }
            let mut header = vec![0; header_len as usize];
            file.read(8, &mut header)?;
            let metadata: Metadata = serde_json::from_slice(&header)
                .map_err(|e| ModelError::weights(&path, format!("not a safetensors file: {e}")))?;
            for (name, info) in metadata.tensors() {
                let (from, to) = info.data_offsets;
                let start = 8 + header_len + from as u64;
                if 8 + header_len + to as u64 > size {
                    return Err(ModelError::weights(&path, format!("tensor {name} ends after the file does")));
                }
                let shape = info.shape.clone();
                all.entries
                    .insert(name, Entry { file: all.files.len(), start, len: to - from, kind: info.dtype, shape });
            }
            all.files.push(Arc::new(file));
        }
        Ok(all)
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first of the files, for messages.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |file| file.path())
    }

    /// Whether a tensor of this name exists.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The values of a tensor of this shape, in single precision.
    ///
    /// # Errors
    /// As [`Self::read`], and if its shape is another one.
    pub fn read_shaped(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        match self.entries.get(name) {
            Some(entry) if entry.shape != shape => {
                let message =
                    format!("tensor {name}: its shape is {:?}, the model's figures say {shape:?}", entry.shape);
                Err(ModelError::weights(self.files[entry.file].path(), message))
            }
            _ => Ok(self.read(name)?.1),
        }
    }

    /// A tensor's shape and its values in single precision.
    ///
    /// # Errors
    /// If it is missing, of a type other than F32, F16 and BF16, or has a value that is not finite.
    pub fn read(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), ModelError> {
        let shape = self.shape(name).map(<[usize]>::to_vec).unwrap_or_default();
        let values = self.rows(name, 0, 1, shape.iter().product())?.into_single()?;
        Ok((shape, values))
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.entries.keys()
    }

    /// `outputs` rows of `inputs` values of a tensor, from row `first` on.
    ///
    /// # Errors
    /// If it is missing, of a type other than F32, F16 and BF16, or has fewer values.
    pub fn rows(&self, name: &str, first: usize, outputs: usize, inputs: usize) -> Result<Matrix, ModelError> {
        let Some(entry) = self.entries.get(name) else {
            return Err(ModelError::weights(self.path(), format!("tensor {name} is not in the checkpoint")));
        };
        let bytes = |skipped: usize| TensorBytes::new(name, &self.files[entry.file], entry.start + skipped as u64);
        let encoding = match entry.kind {
            Kind::F32 => Encoding::F32,
            Kind::F16 => Encoding::F16,
            Kind::BF16 => Encoding::BF16,
            other => return Err(bytes(0).error(format!("its type is {other:?}; F32, F16 and BF16 are read"))),
        };
        let size = encoding.block().1;
        if first.saturating_add(outputs).saturating_mul(inputs).saturating_mul(size) > entry.len {
            return Err(bytes(0).error(format!("it has {} bytes, fewer than its shape says", entry.len)));
        }
        Matrix::new(bytes(first * inputs * size), encoding, outputs, inputs)
    }
}

/// An open directory.
#[derive(Debug)]
pub struct SafetensorsWeights {
    directory: PathBuf,
    tensors: TensorFiles,
    config: ModelConfig,
    family: String,
    /// Added to the weights of norms: files of some families have them less 1.
    norm_offset: f32,
    /// The tensors that were read.
    used: HashSet<String>,
}

impl SafetensorsWeights {
    /// Open a directory: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// If files are missing or unreadable, or the architecture is not supported.
    pub fn open(directory: &Path) -> Result<Self, ModelError> {
        let (config, family, norm_offset) = config::from_json_file(&directory.join("config.json"))?;
        let index = directory.join("model.safetensors.index.json");
        let files = if index.exists() { shards(&index)? } else { vec![directory.join("model.safetensors")] };
        let tensors = TensorFiles::open(files)?;
        Ok(Self { directory: directory.to_owned(), tensors, config, family, norm_offset, used: HashSet::new() })
    }

    fn has(&self, part: Part, tensor: PartTensor) -> bool {
        choose(Place::hugging_face(&self.config, part, tensor), |name| self.tensors.shape(name)).is_some()
    }

    /// A part, in a tensor of its own or in one that it shares; a vector as a matrix of one column.
    fn part(&mut self, part: Part, tensor: PartTensor) -> Result<Matrix, ModelError> {
        let places = Place::hugging_face(&self.config, part, tensor);
        let likeliest = part.hugging_face();
        let Some((place, found)) = choose(places, |name| self.tensors.shape(name)) else {
            let message = format!("tensor {likeliest}.{} is not in the checkpoint", tensor.name());
            return Err(ModelError::weights(&self.directory, message));
        };
        if found != place.shape {
            let message =
                format!("tensor {}: its shape is {found:?}, the model's figures say {:?}", place.name, place.shape);
            return Err(ModelError::weights(&self.directory, message));
        }
        let shape = self.config.tensor_shape(part, tensor);
        let width: usize = shape[1..].iter().product();
        let matrix = self.tensors.rows(&place.name, place.first, shape[0], width)?;
        self.used.insert(place.name);
        Ok(matrix)
    }
}

/// The files that an index lists, each once.
fn shards(index: &Path) -> Result<Vec<PathBuf>, ModelError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let text = std::fs::read_to_string(index).map_err(ModelError::io(index))?;
    let parsed: Index = serde_json::from_str(&text).map_err(|e| ModelError::config(index, e.to_string()))?;
    let mut names: Vec<String> = parsed.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    if let Some(name) = names.iter().find(|name| Path::new(name).components().count() != 1) {
        return Err(ModelError::config(index, format!("shard {name:?} is not a file beside the index")));
    }
    Ok(names.into_iter().map(|name| index.with_file_name(name)).collect())
}

impl Weights for SafetensorsWeights {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn path(&self) -> &Path {
        &self.directory
    }

    fn family(&self) -> &str {
        &self.family
    }

    fn format(&self) -> String {
        most_bytes(self.tensors.entries.values().map(|entry| (format!("{:?}", entry.kind), entry.len)))
    }

    fn has_weight(&self, part: Part) -> bool {
        self.has(part, PartTensor::Weight)
    }

    fn has_bias(&self, part: Part) -> bool {
        self.has(part, PartTensor::Bias)
    }

    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError> {
        self.part(part, PartTensor::Weight)
    }

    fn norm(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        let mut values = self.part(part, PartTensor::Weight)?.into_single()?;
        values.iter_mut().for_each(|value| *value += self.norm_offset);
        Ok(values)
    }

    fn bias(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        self.part(part, PartTensor::Bias)?.into_single()
    }

    fn unread(&self) -> Option<String> {
        let layer = |name: &str| name.strip_prefix("model.layers.")?.split('.').next()?.parse::<usize>().ok();
        let ours = |name: &&String| layer(name).is_some_and(|layer| layer < self.config.layers);
        // Frequencies that old checkpoints keep, as the configuration says them.
        let known = |name: &String| self.used.contains(name) || name.ends_with("rotary_emb.inv_freq");
        self.tensors.names().filter(ours).filter(|name| !known(name)).min().cloned()
    }
}
