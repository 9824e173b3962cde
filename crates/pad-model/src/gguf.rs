//! Weights from a GGUF file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::{GgmlDType, ggml_file::qtensor_from_ggml, gguf_file::Content};
use pad_kernels::BlockFormat;

use crate::error::plain;
use crate::matrix::Values;
use crate::place::{Place, choose};
use crate::{LayerPart, Matrix, ModelConfig, ModelError, Part, Weights, config, gguf_alignment};

/// A tensor of factors of rotary frequencies has no more: half of the widest head.
const MOST_FACTORS: usize = 1 << 11;

/// An open GGUF file.
#[derive(Debug)]
pub struct GgufWeights {
    tensors: Tensors,
    config: ModelConfig,
    /// Query and key rows are kept as interleaved rotary pairs.
    interleaved: bool,
}

/// The tensors of a file.
#[derive(Debug)]
struct Tensors {
    path: PathBuf,
    reader: BufReader<File>,
    /// Bytes of the file.
    length: u64,
    content: Content,
    /// The names of those that were read.
    used: HashSet<String>,
}

impl GgufWeights {
    /// Open a file and read its header.
    ///
    /// # Errors
    /// If it is no GGUF file, or of an architecture that is not supported.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut reader = BufReader::new(File::open(path).map_err(ModelError::io(path))?);
        let length = reader.get_ref().metadata().map_err(ModelError::io(path))?.len();
        // A header that cannot be walked through is refused by candle, with the reason.
        if let Ok(Some(alignment)) = gguf_alignment::alignment(&mut reader)
            && !alignment.is_power_of_two()
        {
            let message = format!("general.alignment is {alignment}; a power of two is allowed");
            return Err(ModelError::config(path, message));
        }
        reader.rewind().map_err(ModelError::io(path))?;
        let content = Content::read(&mut reader)
            .map_err(|e| ModelError::config(path, format!("not a readable GGUF file: {}", plain(&e))))?;
        let tensors = Tensors { path: path.to_owned(), reader, length, content, used: HashSet::new() };
        Self::of(tensors)
    }

    fn of(mut tensors: Tensors) -> Result<Self, ModelError> {
        // Few numbers, read first: they are a part of the configuration.
        let mut factors = std::collections::HashMap::new();
        for name in ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"] {
            if let Some([len]) = tensors.shape(name)
                && (1..=MOST_FACTORS).contains(len)
            {
                let place = Place { name: name.to_owned(), shape: vec![*len], first: 0 };
                factors.insert(name, tensors.read(&place, 1, *len)?.into_single());
            }
        }
        let path = tensors.path.clone();
        let factors = |name: &str| {
            let missing =
                || ModelError::weights(&path, format!("tensor {name}: 1 to {MOST_FACTORS} numbers are expected"));
            factors.remove(name).ok_or_else(missing)
        };
        let config = config::from_gguf(&path, &tensors.content, factors)?;
        let architecture = tensors.content.metadata.get("general.architecture").and_then(|v| v.to_string().ok());
        let interleaved = architecture.is_some_and(|name| config::is_interleaved(name));
        Ok(Self { tensors, config, interleaved })
    }

    /// The header, for the tokenizer and the chat template.
    pub fn content(&self) -> &Content {
        &self.tensors.content
    }

    fn place(&self, part: Part, bias: bool) -> Result<Place, ModelError> {
        let places = Place::gguf(&self.config, part, bias);
        let name = places[0].name.clone();
        match choose(places, |name| self.tensors.shape(name)) {
            None => Err(self.tensors.fail(&name, "not in the file")),
            Some((place, found)) if found != place.shape => {
                let message = format!("its shape is {found:?}, the header's figures say {:?}", place.shape);
                Err(self.tensors.fail(&place.name, message))
            }
            Some((place, _)) => Ok(place),
        }
    }

    /// Whether rows are to be reordered.
    fn is_turned(&self, part: Part) -> bool {
        self.interleaved && matches!(part, Part::Layer(_, LayerPart::Query | LayerPart::Key))
    }
}

impl Tensors {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.content.tensor_infos.get(name).map(|info| info.shape.dims())
    }

    fn fail(&self, name: &str, message: impl std::fmt::Display) -> ModelError {
        ModelError::weights(&self.path, format!("tensor {name}: {message}"))
    }

    /// `outputs` rows of `inputs` values at a place whose shape was checked.
    fn read(&mut self, place: &Place, outputs: usize, inputs: usize) -> Result<Matrix, ModelError> {
        let name = &place.name;
        let Some(info) = self.content.tensor_infos.get(name) else { return Err(self.fail(name, "not in the file")) };
        let (dtype, block) = (info.ggml_dtype, info.ggml_dtype.block_size());
        if !inputs.is_multiple_of(block) {
            return Err(self.fail(name, format!("rows of {inputs} values are no whole blocks of {block}")));
        }
        let row = inputs / block * dtype.type_size();
        let start =
            self.content.tensor_data_offset.saturating_add(info.offset).saturating_add((place.first * row) as u64);
        let (needed, left) = (outputs * row, self.length.saturating_sub(start));
        if needed as u64 > left {
            return Err(
                self.fail(name, format!("it takes {needed} bytes from {start} on, but the file has {left} there"))
            );
        }
        let mut bytes = vec![0; needed];
        self.reader.seek(SeekFrom::Start(start)).map_err(ModelError::io(&self.path))?;
        self.reader.read_exact(&mut bytes).map_err(ModelError::io(&self.path))?;
        let format = match dtype {
            GgmlDType::Q4_0 => Some(BlockFormat::Q4_0),
            GgmlDType::Q4_1 => Some(BlockFormat::Q4_1),
            GgmlDType::Q8_0 => Some(BlockFormat::Q8_0),
            _ => None,
        };
        let values = if let Some(format) = format {
            Values::Blocks(format, bytes)
        } else {
            let single = || -> candle_core::Result<Vec<f32>> {
                let tensor = qtensor_from_ggml(dtype, &bytes, vec![outputs, inputs], &Device::Cpu)?;
                tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()
            };
            Values::Single(single().map_err(|e| self.fail(name, plain(&e)))?)
        };
        let matrix = Matrix { outputs, inputs, values };
        matrix.check_finite().map_err(|message| self.fail(name, message))?;
        self.used.insert(name.clone());
        Ok(matrix)
    }
}

impl Weights for GgufWeights {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn path(&self) -> &Path {
        &self.tensors.path
    }

    fn has(&self, part: Part, bias: bool) -> bool {
        choose(Place::gguf(&self.config, part, bias), |name| self.tensors.shape(name)).is_some()
    }

    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError> {
        let place = self.place(part, false)?;
        let shape = self.config.shape(part);
        let mut matrix = self.tensors.read(&place, shape[0], shape[1])?;
        if self.is_turned(part) {
            matrix.split_rotary_pairs(self.config.head_dim);
        }
        Ok(matrix)
    }

    fn vector(&mut self, part: Part, bias: bool) -> Result<Vec<f32>, ModelError> {
        let place = self.place(part, bias)?;
        let len = self.config.tensor_shape(part, bias)[0];
        // One number a row, so that a part of a vector that several parts share begins where its rows do.
        let mut matrix = self.tensors.read(&place, len, 1)?;
        if bias && self.is_turned(part) {
            matrix.split_rotary_pairs(self.config.head_dim);
        }
        Ok(matrix.into_single())
    }

    fn unread(&self) -> Option<String> {
        let layer = |name: &str| name.strip_prefix("blk.")?.split('.').next()?.parse::<usize>().ok();
        let ours = |name: &&String| layer(name).is_some_and(|layer| layer < self.config.layers);
        let names = self.tensors.content.tensor_infos.keys().filter(ours);
        names.filter(|name| !self.tensors.used.contains(*name) && !name.contains("rot_embd")).min().cloned()
    }
}
