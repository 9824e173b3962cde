//! Weights from a GGUF file.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::gguf_file::Content;
use pad_kernels::Encoding;

use crate::gguf_directory::GgufDirectory;
use crate::place::{Place, choose};
use crate::weights::most_bytes;
use crate::{LayerPart, Matrix, ModelConfig, ModelError, Part, PartTensor, TensorBytes, TensorFile, Weights, config};

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
    directory: GgufDirectory,
    /// The names of those that were read.
    used: HashSet<String>,
}

impl GgufWeights {
    /// Open a file and read its header.
    ///
    /// # Errors
    /// If it is not a GGUF file, or its architecture is not supported.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let directory = GgufDirectory::read(path)?;
        let file = Arc::new(TensorFile::open(path)?);
        let tensors = Tensors { file, directory, used: HashSet::new() };
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
        let config = config::from_gguf(&path, &tensors.directory, factors)?;
        let interleaved = config::is_interleaved(tensors.architecture());
        Ok(Self { tensors, config, interleaved })
    }

    /// The header, for the tokenizer and the chat template.
    pub fn content(&self) -> &Content {
        &self.tensors.directory.content
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
    /// `general.architecture`; empty where the header does not say.
    fn architecture(&self) -> &str {
        let value = self.directory.content.metadata.get("general.architecture");
        value.and_then(|value| value.to_string().ok()).map_or("", String::as_str)
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.directory.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    fn fail(&self, name: &str, message: impl std::fmt::Display) -> ModelError {
        ModelError::weights(self.file.path(), format!("tensor {name}: {message}"))
    }

    /// `outputs` rows of `inputs` values at a place whose shape was checked.
    fn read(&mut self, place: &Place, outputs: usize, inputs: usize) -> Result<Matrix, ModelError> {
        let name = &place.name;
        let Some(tensor) = self.directory.tensors.get(name) else { return Err(self.fail(name, "not in the file")) };
        let encoding = tensor.encoding().map_err(|why| self.fail(name, why))?;
        // Where a row does not fill whole blocks the matrix is refused.
        let skipped = place.first * encoding.row_bytes(inputs).unwrap_or(0);
        let start = tensor.start.saturating_add(skipped as u64);
        let matrix = Matrix::new(TensorBytes::new(name, &self.file, start), encoding, outputs, inputs)?;
        self.used.insert(name.clone());
        Ok(matrix)
    }
}

impl Weights for GgufWeights {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn path(&self) -> &Path {
        self.tensors.file.path()
    }

    fn family(&self) -> &str {
        self.tensors.architecture()
    }

    fn format(&self) -> String {
        let name = |number| Encoding::ALL.iter().find(|(_, of, _)| *of == number).map_or("", |(.., name)| name);
        let tensors = self.tensors.directory.tensors.values();
        most_bytes(tensors.map(|tensor| (name(tensor.number).to_owned(), tensor.bytes())))
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
        let names = self.tensors.directory.tensors.keys().filter(ours);
        names.filter(|name| !self.tensors.used.contains(*name) && !name.contains("rot_embd")).min().cloned()
    }
}
