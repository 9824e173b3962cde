//! Weights from a GGUF file.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::{GgmlDType, gguf_file::Content};
use pad_kernels::{BlockFormat, RopeScaling};

use crate::matrix::Values;
use crate::{LayerPart, Matrix, ModelConfig, ModelError, Part, Weights, config};

/// An open GGUF file.
#[derive(Debug)]
pub struct GgufWeights {
    path: PathBuf,
    reader: BufReader<File>,
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
        let content = Content::read(&mut reader)
            .map_err(|e| ModelError::config(path, format!("not a readable GGUF file: {e}")))?;
        let (config, interleaved) = config::from_gguf(path, &content)?;
        let mut file = Self { path: path.to_owned(), reader, content, config, interleaved };
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
            self.config.rope_scaling = RopeScaling::Factors(self.tensor(NAME)?.into_single());
        }
        Ok(())
    }

    fn tensor(&mut self, name: &str) -> Result<Matrix, ModelError> {
        let fail = |message: String| ModelError::weights(&self.path, format!("tensor {name}: {message}"));
        let info = self.content.tensor_infos.get(name).ok_or_else(|| fail("not in the file".to_owned()))?;
        let (outputs, inputs) = match *info.shape.dims() {
            [inputs] => (1, inputs),
            [outputs, inputs] => (outputs, inputs),
            ref dims => return Err(fail(format!("{} dimensions, 1 or 2 are expected", dims.len()))),
        };
        let tensor =
            self.content.tensor(&mut self.reader, name, &Device::Cpu).map_err(|e| fail(format!("unreadable: {e}")))?;
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
        Ok(Matrix { outputs, inputs, values })
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
        let mut matrix = self.tensor(&full_name(part, false))?;
        if self.interleaved && matches!(part, Part::Layer(_, LayerPart::Query | LayerPart::Key)) {
            matrix.split_rotary_pairs(matrix.outputs / self.config.head_dim);
        }
        Ok(matrix)
    }

    fn vector(&mut self, part: Part, bias: bool) -> Result<Vec<f32>, ModelError> {
        let mut matrix = self.tensor(&full_name(part, bias))?;
        if self.interleaved && bias && matches!(part, Part::Layer(_, LayerPart::Query | LayerPart::Key)) {
            (matrix.outputs, matrix.inputs) = (matrix.inputs, 1);
            matrix.split_rotary_pairs(matrix.outputs / self.config.head_dim);
        }
        Ok(matrix.into_single())
    }
}
