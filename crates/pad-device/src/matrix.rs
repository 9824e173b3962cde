//! Weight matrices on a device.

use std::thread;

use half::{bf16, f16};
use pad_kernels::device::{Address, MatmulLaunch, StoredAs};
use pad_kernels::{Encoding, Format};
use pad_model::{Dtype, Matrix, ModelError};

use crate::queue::Queue;
use crate::upload::words_on;

/// Rows that a thread reads from a file at once.
const TOGETHER: usize = 256;

/// A matrix `[outputs, inputs]` with an optional bias, made of pieces that are stored alike.
#[derive(Debug)]
pub struct DeviceMatrix {
    pieces: Vec<Piece>,
    bias: Address,
    pub inputs: usize,
    pub outputs: usize,
}

#[derive(Debug)]
struct Piece {
    stored: StoredAs,
    weights: Address,
    /// The first of its outputs among those of the matrix.
    first: usize,
    outputs: usize,
}

/// How rows of a file are stored: as they are, or in 16 bits, or in 32 where all is to be exact or 16 bits do not fill whole units.
fn stored(dtype: Dtype, encoding: Encoding, inputs: usize) -> StoredAs {
    let same = || StoredAs::ALL.into_iter().find(|stored| stored.encoding() == encoding);
    let kept = match (dtype, encoding) {
        (Dtype::F32, _) => StoredAs::F32,
        (_, Encoding::F32) => StoredAs::Bf16,
        _ => same().unwrap_or(StoredAs::Bf16),
    };
    if kept.check(inputs).is_ok() { kept } else { StoredAs::F32 }
}

impl DeviceMatrix {
    /// Uploads matrices of the same width, one after the other.
    pub fn load(queue: &mut Queue, parts: &[Matrix], bias: Option<&[f32]>, dtype: Dtype) -> Result<Self, ModelError> {
        let inputs = parts[0].inputs;
        let (mut pieces, mut first): (Vec<Piece>, usize) = (Vec::new(), 0);
        for parts in parts.chunk_by(|a, b| stored(dtype, a.encoding, inputs) == stored(dtype, b.encoding, inputs)) {
            let stored = stored(dtype, parts[0].encoding, inputs);
            stored.check(inputs)?;
            let mut bytes = Vec::new();
            for part in parts {
                bytes.extend(converted(part, stored)?);
            }
            let outputs = parts.iter().map(|part| part.outputs).sum();
            pieces.push(Piece { stored, weights: queue.hold(&bytes)?, first, outputs });
            first += outputs;
        }
        let bias = bias.map_or(Ok(Address::NONE), |bias| queue.hold_numbers(bias))?;
        Ok(Self { pieces, bias, inputs, outputs: first })
    }

    /// Values in single precision.
    pub fn of_values(
        queue: &mut Queue,
        values: &[f32],
        bias: Option<&[f32]>,
        inputs: usize,
    ) -> Result<Self, ModelError> {
        StoredAs::F32.check(inputs)?;
        let outputs = values.len() / inputs;
        let piece = Piece { stored: StoredAs::F32, weights: queue.hold_numbers(values)?, first: 0, outputs };
        let bias = bias.map_or(Ok(Address::NONE), |bias| queue.hold_numbers(bias))?;
        Ok(Self { pieces: vec![piece], bias, inputs, outputs })
    }

    /// How the rows are stored and where they are, of a matrix that was one part.
    pub fn rows(&self) -> (StoredAs, Address) {
        (self.pieces[0].stored, self.pieces[0].weights)
    }

    /// `y = x W^T (+ bias) (+ residual)` of so many rows, soft-capped where `cap` says so; `residual` may be `y`.
    pub fn multiply(
        &self,
        queue: &mut Queue,
        (x, y, residual): (Address, Address, Address),
        rows: usize,
        cap: Option<f32>,
    ) -> Result<(), ModelError> {
        for piece in &self.pieces {
            let behind = |address: Address| match address {
                Address::NONE => Address::NONE,
                there => words_on(there, piece.first),
            };
            let launch = MatmulLaunch {
                stored: piece.stored,
                x,
                weights: piece.weights,
                bias: behind(self.bias),
                residual: behind(residual),
                y: behind(y),
                rows,
                inputs: self.inputs,
                outputs: piece.outputs,
                y_stride: self.outputs,
                cap,
            };
            queue.run(&launch.launch()?)?;
        }
        Ok(())
    }
}

/// The rows of a matrix as they are to be stored, by all processors: reading and checking them is most of loading.
fn converted(part: &Matrix, stored: StoredAs) -> Result<Vec<u8>, ModelError> {
    let row_bytes = stored.encoding().row_bytes(part.inputs).unwrap_or(0);
    let mut bytes = vec![0; part.outputs * row_bytes];
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let each = part.outputs.div_ceil(threads).max(1);
    thread::scope(|scope| {
        let chunks = bytes.chunks_mut(each * row_bytes).enumerate();
        let tasks: Vec<_> =
            chunks.map(|(i, out)| scope.spawn(move || convert(part, stored, i * each, out, row_bytes))).collect();
        let failed = || Err(ModelError::Batch("a thread that reads weights failed".to_owned()));
        tasks.into_iter().try_for_each(|task| task.join().unwrap_or_else(|_| failed()))
    })?;
    Ok(bytes)
}

fn convert(part: &Matrix, stored: StoredAs, first: usize, out: &mut [u8], row_bytes: usize) -> Result<(), ModelError> {
    let (largest, mut values) = (Format::F32.largest(), vec![0.0_f32; part.inputs]);
    for (slice, out) in out.chunks_mut(TOGETHER * row_bytes).enumerate() {
        let first = first + slice * TOGETHER;
        part.rows(first, out.len() / row_bytes, |i, row| {
            part.encoding.dequantise(row, &mut values);
            if let Some(column) = values.iter().position(|value| value.is_nan() || value.abs() > largest) {
                return Err(part.refuse(first + i, column, values[column], largest));
            }
            let out = &mut out[i * row_bytes..(i + 1) * row_bytes];
            match stored {
                _ if stored.encoding() == part.encoding => out.copy_from_slice(row),
                StoredAs::Bf16 => encode(out, &values, |value| bf16::from_f32(value).to_le_bytes()),
                StoredAs::F16 => encode(out, &values, |value| f16::from_f32(value).to_le_bytes()),
                _ => encode(out, &values, f32::to_le_bytes),
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn encode<const BYTES: usize>(out: &mut [u8], values: &[f32], bytes: impl Fn(f32) -> [u8; BYTES]) {
    out.as_chunks_mut().0.iter_mut().zip(values).for_each(|(out, value)| *out = bytes(*value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_read_stays_as_it_is() {
        for (dtype, encoding, inputs, want) in [
            (Dtype::Auto, Encoding::Q4K, 512, StoredAs::Q4K),
            (Dtype::Auto, Encoding::F16, 64, StoredAs::F16),
            (Dtype::Auto, Encoding::F32, 64, StoredAs::Bf16),
            (Dtype::Auto, Encoding::Q4_1, 64, StoredAs::Bf16),
            (Dtype::Auto, Encoding::BF16, 12, StoredAs::F32),
            (Dtype::F32, Encoding::Q4K, 512, StoredAs::F32),
        ] {
            assert_eq!(stored(dtype, encoding, inputs), want, "{dtype:?} {encoding:?} {inputs}");
        }
    }
}
