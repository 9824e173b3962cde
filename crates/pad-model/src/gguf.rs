//! Weights from a GGUF file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::{
    GgmlDType,
    gguf_file::{Content, TensorInfo},
};
use pad_kernels::Encoding;

use crate::error::plain;
use crate::place::{Place, choose};
use crate::weights::most_bytes;
use crate::{
    LayerPart, Matrix, ModelConfig, ModelError, Part, PartTensor, TensorBytes, TensorFile, Weights, config,
    gguf_alignment,
};

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
    file: Arc<TensorFile>,
    content: Content,
    /// The names of those that were read.
    used: HashSet<String>,
}

impl GgufWeights {
    /// Open a file and read its header.
    ///
    /// # Errors
    /// If it is not a GGUF file, or its architecture is not supported.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut reader = BufReader::new(File::open(path).map_err(ModelError::io(path))?);
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
        let file = Arc::new(TensorFile::open(path)?);
        let tensors = Tensors { file, content, used: HashSet::new() };
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
                factors.insert(name, tensors.read(&place, 1, *len)?.into_single()?);
            }
        }
        let path = tensors.file.path().to_owned();
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

    fn place(&self, part: Part, tensor: PartTensor) -> Result<Place, ModelError> {
        let places = Place::gguf(&self.config, part, tensor);
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

    fn has(&self, part: Part, tensor: PartTensor) -> bool {
        choose(Place::gguf(&self.config, part, tensor), |name| self.tensors.shape(name)).is_some()
    }

    /// A vector as a matrix of one number a row, so that a part of one that several parts share begins where its rows do.
    fn column(&mut self, part: Part, tensor: PartTensor) -> Result<Matrix, ModelError> {
        let place = self.place(part, tensor)?;
        let len = self.config.tensor_shape(part, tensor)[0];
        self.tensors.read(&place, len, 1)
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
        ModelError::weights(self.file.path(), format!("tensor {name}: {message}"))
    }

    /// `outputs` rows of `inputs` values at a place whose shape was checked.
    fn read(&mut self, place: &Place, outputs: usize, inputs: usize) -> Result<Matrix, ModelError> {
        let name = &place.name;
        let Some(info) = self.content.tensor_infos.get(name) else { return Err(self.fail(name, "not in the file")) };
        let Some(encoding) = encoding(info.ggml_dtype) else {
            return Err(self.fail(name, format!("its type {:?} is not supported", info.ggml_dtype)));
        };
        // Where a row does not fill whole blocks the matrix is refused.
        let skipped = place.first * encoding.row_bytes(inputs).unwrap_or(0);
        let start = self.content.tensor_data_offset.saturating_add(info.offset).saturating_add(skipped as u64);
        let matrix = Matrix::new(TensorBytes::new(name, &self.file, start), encoding, outputs, inputs)?;
        self.used.insert(name.clone());
        Ok(matrix)
    }
}

/// How a tensor of candle's type is kept; none for what is only used for activations.
fn encoding(dtype: GgmlDType) -> Option<Encoding> {
    Some(match dtype {
        GgmlDType::F32 => Encoding::F32,
        GgmlDType::F16 => Encoding::F16,
        GgmlDType::BF16 => Encoding::BF16,
        GgmlDType::Q4_0 => Encoding::Q4_0,
        GgmlDType::Q4_1 => Encoding::Q4_1,
        GgmlDType::Q5_0 => Encoding::Q5_0,
        GgmlDType::Q5_1 => Encoding::Q5_1,
        GgmlDType::Q8_0 => Encoding::Q8_0,
        GgmlDType::Q2K => Encoding::Q2K,
        GgmlDType::Q3K => Encoding::Q3K,
        GgmlDType::Q4K => Encoding::Q4K,
        GgmlDType::Q5K => Encoding::Q5K,
        GgmlDType::Q6K => Encoding::Q6K,
        GgmlDType::Q8_1 | GgmlDType::Q8K => return None,
    })
}

impl Weights for GgufWeights {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn path(&self) -> &Path {
        self.tensors.file.path()
    }

    fn family(&self) -> &str {
        self.tensors.content.metadata.get("general.architecture").and_then(|v| v.to_string().ok()).map_or("", |v| v)
    }

    fn format(&self) -> String {
        let sized = |info: &TensorInfo| {
            let (dtype, values) = (info.ggml_dtype, info.shape.elem_count());
            (format!("{dtype:?}"), values / dtype.block_size() * dtype.type_size())
        };
        let most = most_bytes(self.tensors.content.tensor_infos.values().map(sized));
        // Candle writes `Q4K` where the format is `Q4_K`.
        most.strip_suffix('K').map_or(most.clone(), |stem| format!("{stem}_K"))
    }

    fn has_weight(&self, part: Part) -> bool {
        self.has(part, PartTensor::Weight)
    }

    fn has_bias(&self, part: Part) -> bool {
        self.has(part, PartTensor::Bias)
    }

    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError> {
        let place = self.place(part, PartTensor::Weight)?;
        let shape = self.config.shape(part);
        let matrix = self.tensors.read(&place, shape[0], shape[1])?;
        Ok(if self.is_turned(part) { matrix.of_rotary_pairs(self.config.head_dim) } else { matrix })
    }

    fn norm(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        self.column(part, PartTensor::Weight)?.into_single()
    }

    fn bias(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        let column = self.column(part, PartTensor::Bias)?;
        let turned = self.is_turned(part);
        if turned { column.of_rotary_pairs(self.config.head_dim) } else { column }.into_single()
    }

    fn unread(&self) -> Option<String> {
        let layer = |name: &str| name.strip_prefix("blk.")?.split('.').next()?.parse::<usize>().ok();
        let ours = |name: &&String| layer(name).is_some_and(|layer| layer < self.config.layers);
        let names = self.tensors.content.tensor_infos.keys().filter(ours);
        names.filter(|name| !self.tensors.used.contains(*name) && !name.contains("rot_embd")).min().cloned()
    }
}
