//! A checkpoint whose matrices are stored in several formats, some of them side by side in one product.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use pad_device::{DeviceLanes, DeviceModel};
use pad_kernels::Encoding;
use pad_model::{
    CachedModel, Dtype, LaneChunk, LaneModel, LayerPart, Matrix, Model, ModelConfig, ModelError, Part, StateRead,
    TensorBytes, TensorFile, Wanted, Weights,
};

use crate::host::Host;
use crate::models::{BLOCKS, family, single};

/// The weights of a family: values and ups in half precision, all else in bfloat16.
struct Narrow(Box<dyn Weights>);

impl Weights for Narrow {
    fn config(&self) -> &ModelConfig {
        self.0.config()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn family(&self) -> &str {
        self.0.family()
    }

    fn format(&self) -> String {
        self.0.format()
    }

    fn has_weight(&self, part: Part) -> bool {
        self.0.has_weight(part)
    }

    fn has_bias(&self, part: Part) -> bool {
        self.0.has_bias(part)
    }

    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError> {
        let matrix = self.0.matrix(part)?;
        let (outputs, inputs) = (matrix.outputs, matrix.inputs);
        let is_half = matches!(part, Part::Layer(_, LayerPart::Value | LayerPart::Up));
        let narrow = |value: f32| {
            if is_half { f16::from_f32(value).to_le_bytes() } else { bf16::from_f32(value).to_le_bytes() }
        };
        let bytes: Vec<u8> = matrix.into_single()?.into_iter().flat_map(narrow).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let file = Arc::new(TensorFile::open(file.path())?);
        let encoding = if is_half { Encoding::F16 } else { Encoding::BF16 };
        Matrix::new(TensorBytes::new("narrow", &file, 0), encoding, outputs, inputs)
    }

    fn norm(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        self.0.norm(part)
    }

    fn bias(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        self.0.bias(part)
    }

    fn unread(&self) -> Option<String> {
        self.0.unread()
    }
}

#[test]
fn formats_side_by_side_are_read_as_what_they_are() {
    let open = || Narrow(pad_model::open(&family("qwen2")).unwrap());
    let mut cpu = CachedModel::new(Model::load(&mut open(), &single()).unwrap(), Vec::new(), BLOCKS).unwrap();
    let model = DeviceModel::load(&mut open(), Box::new(Host::new(1)), Dtype::Auto, |_| {}).unwrap();
    let mut device = DeviceLanes::new(model, &[], BLOCKS).unwrap();
    let tokens: Vec<u32> = (0..9).map(|i| 2 + i * 5).collect();
    let models: [&mut dyn LaneModel; 2] = [&mut cpu, &mut device];
    let [want, got] = models.map(|model| {
        model.run(&[LaneChunk::new(&tokens, 0, &[2], 9), LaneChunk::new(&tokens[3..5], 0, &[7], 2)]).unwrap();
        let all = || Wanted::At((0..64).collect()).alone();
        let reads: Vec<StateRead> = (0..11).map(|state| StateRead { state, head: None, wanted: all() }).collect();
        let read = model.logits(&reads).unwrap();
        read.into_iter().flat_map(|read| read.ranked).map(|ranked| ranked.logit).collect::<Vec<f32>>()
    });
    // Keys and values are in half precision.
    let close = |(got, want): (&f32, &f32)| (got - want).abs() < 0.01;
    assert!(got.len() == 11 * 64 && got.iter().zip(&want).all(close), "{got:?} is not {want:?}");
}
