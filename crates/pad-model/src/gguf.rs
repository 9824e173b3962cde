//! Weights from a GGUF file.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::{GgmlDType, gguf_file::Content};
use pad_kernels::{BlockFormat, RopeScaling};

use crate::error::plain;
use crate::matrix::Values;
use crate::{LayerPart, Matrix, ModelConfig, ModelError, Part, Weights, config, gguf_alignment};

/// An open GGUF file.
#[derive(Debug)]
pub struct GgufWeights {
    path: PathBuf,
    reader: BufReader<File>,
    /// Bytes of the file.
    length: u64,
    content: Content,
    config: ModelConfig,
    /// Query and key rows are kept as interleaved rotary pairs.
    interleaved: bool,
}

impl GgufWeights {
    /// Open a file and read its header.
    ///
    /// # Errors
    /// If it is no GGUF file, or of an architecture that is not supported.
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
        let (config, interleaved) = config::from_gguf(path, &content)?;
        let length = reader.get_ref().metadata().map_err(ModelError::io(path))?.len();
        let mut file = Self { path: path.to_owned(), reader, length, content, config, interleaved };
        file.read_rope_factors()?;
        Ok(file)
    }

    /// The header, for the tokenizer and the chat template.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Llama 3 files carry their rope scaling as a tensor of divisors.
    fn read_rope_factors(&mut self) -> Result<(), ModelError> {
        const NAME: &str = "rope_freqs.weight";
        if self.content.tensor_infos.contains_key(NAME) {
            let factors = self.tensor(NAME, &[self.config.head_dim / 2])?.into_single();
            if let Some(bad) = factors.iter().find(|factor| **factor <= 0.0) {
                let message = format!("tensor {NAME}: {bad} is not a positive number");
                return Err(ModelError::weights(&self.path, message));
            }
            self.config.rope_scaling = RopeScaling::Factors(factors);
        }
        Ok(())
    }

    /// A tensor of this shape, a vector as a matrix of one row.
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Matrix, ModelError> {
        let fail = |message: String| ModelError::weights(&self.path, format!("tensor {name}: {message}"));
        let info = self.content.tensor_infos.get(name).ok_or_else(|| fail("not in the file".to_owned()))?;
        let found = info.shape.dims();
        if found != shape {
            return Err(fail(format!("its shape is {found:?}, the header's figures say {shape:?}")));
        }
        let (outputs, inputs) = match *shape {
            [outputs, inputs] => (outputs, inputs),
            _ => (1, shape.iter().product()),
        };
        let dtype = info.ggml_dtype;
        let (block, needed) = (dtype.block_size(), outputs * inputs / dtype.block_size() * dtype.type_size());
        if !inputs.is_multiple_of(block) {
            return Err(fail(format!("rows of {inputs} values are no whole blocks of {block}")));
        }
        let start = self.content.tensor_data_offset.saturating_add(info.offset);
        let left = self.length.saturating_sub(start);
        if needed as u64 > left {
            return Err(fail(format!("it takes {needed} bytes from {start} on, but the file has {left} there")));
        }
        let tensor = self
            .content
            .tensor(&mut self.reader, name, &Device::Cpu)
            .map_err(|e| fail(format!("unreadable: {}", plain(&e))))?;
        let format = match tensor.dtype() {
            GgmlDType::Q4_0 => Some(BlockFormat::Q4_0),
            GgmlDType::Q4_1 => Some(BlockFormat::Q4_1),
            GgmlDType::Q8_0 => Some(BlockFormat::Q8_0),
            _ => None,
        };
        let values = match format {
            Some(format) if inputs % 32 == 0 => Values::Blocks(format, tensor.data()?.into_owned()),
            _ => Values::Single(tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()?),
        };
        let matrix = Matrix { outputs, inputs, values };
        matrix
            .check_finite()
            .map_err(|message| ModelError::weights(&self.path, format!("tensor {name}: {message}")))?;
        Ok(matrix)
    }
}

fn full_name(part: Part, bias: bool) -> String {
    format!("{}.{}", part.gguf(), if bias { "bias" } else { "weight" })
}

impl Weights for GgufWeights {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn has(&self, part: Part, bias: bool) -> bool {
        self.content.tensor_infos.contains_key(&full_name(part, bias))
    }

    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError> {
        let mut matrix = self.tensor(&full_name(part, false), &self.config.tensor_shape(part, false))?;
        if self.interleaved && matches!(part, Part::Layer(_, LayerPart::Query | LayerPart::Key)) {
            matrix.split_rotary_pairs(self.config.head_dim);
        }
        Ok(matrix)
    }

    fn vector(&mut self, part: Part, bias: bool) -> Result<Vec<f32>, ModelError> {
        let mut matrix = self.tensor(&full_name(part, bias), &self.config.tensor_shape(part, bias))?;
        if self.interleaved && bias && matches!(part, Part::Layer(_, LayerPart::Query | LayerPart::Key)) {
            (matrix.outputs, matrix.inputs) = (matrix.inputs, 1);
            matrix.split_rotary_pairs(self.config.head_dim);
        }
        Ok(matrix.into_single())
    }
}
