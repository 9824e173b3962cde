//! A weight matrix as stored in a checkpoint.

use pad_kernels::{Encoding, Format};

use crate::{ModelError, TensorBytes};

/// A row-major matrix in a checkpoint, of which nothing is read yet.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Rows.
    pub outputs: usize,
    /// Columns.
    pub inputs: usize,
    /// How its values are kept.
    pub encoding: Encoding,
    bytes: TensorBytes,
    row_bytes: usize,
    /// The rows of a head, if they are kept as interleaved rotary pairs.
    interleaved: Option<usize>,
}

impl Matrix {
    /// The matrix `[outputs, inputs]` that these bytes begin with.
    ///
    /// # Errors
    /// If a row does not fill whole blocks of the encoding, or there are not as many bytes.
    pub fn new(bytes: TensorBytes, encoding: Encoding, outputs: usize, inputs: usize) -> Result<Self, ModelError> {
        let Some(row_bytes) = encoding.row_bytes(inputs) else {
            let (len, _) = encoding.block();
            return Err(bytes.error(format!("rows of {inputs} values do not divide into blocks of {len}")));
        };
        bytes.check((row_bytes as u64).saturating_mul(outputs as u64))?;
        Ok(Self { outputs, inputs, encoding, bytes, row_bytes, interleaved: None })
    }

    /// Say that the rows of heads of `head_dim` rows, an even number, are interleaved rotary pairs (2j, 2j + 1), as GGUF files of Llama
    /// keep them: they are read as split pairs (j, j + half), as the rest of the program has them (and LoRA adapters expect).
    #[must_use]
    pub fn of_rotary_pairs(self, head_dim: usize) -> Self {
        Self { interleaved: Some(head_dim), ..self }
    }

    /// The row of the file that is row `row`.
    fn source(&self, row: usize) -> usize {
        let Some(head_dim) = self.interleaved else { return row };
        let (head, at) = (row / head_dim, row % head_dim);
        let (half, j) = (at / (head_dim / 2), at % (head_dim / 2));
        head * head_dim + 2 * j + half
    }

    /// Call `take(i, bytes)` with the bytes of each of `count` rows from `first` on; rows that lie together are read together.
    ///
    /// # Errors
    /// If the file cannot be read, or the first that `take` has.
    pub fn rows(
        &self,
        first: usize,
        count: usize,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let together = if self.interleaved.is_some() { 1 } else { count };
        let mut bytes = vec![0; together * self.row_bytes];
        for start in (0..count).step_by(together.max(1)) {
            self.bytes.read(self.source(first + start) as u64 * self.row_bytes as u64, &mut bytes)?;
            for (i, row) in bytes.chunks_exact(self.row_bytes.max(1)).enumerate() {
                take(start + i, row)?;
            }
        }
        Ok(())
    }

    /// All values in single precision, row-major.
    ///
    /// # Errors
    /// If the file cannot be read or a value is not finite.
    pub fn into_single(self) -> Result<Vec<f32>, ModelError> {
        let mut all = vec![0.0; self.outputs * self.inputs];
        self.rows(0, self.outputs, |row, bytes| {
            let values = &mut all[row * self.inputs..(row + 1) * self.inputs];
            self.encoding.dequantise(bytes, values);
            Ok(())
        })?;
        check_finite(&all).map_err(|message| self.bytes.error(message))?;
        Ok(all)
    }

    /// The error about a value that is not finite or larger than `largest`.
    pub fn refuse(&self, row: usize, column: usize, value: f32, largest: f32) -> ModelError {
        self.bytes.error(refusal(row * self.inputs + column, value, largest))
    }
}

/// Refuse values that no computation survives: NaN, infinities, and what is too large for an 8-bit block.
///
/// # Errors
/// A description of the first such value.
pub fn check_finite(values: &[f32]) -> Result<(), String> {
    let largest = Format::F32.largest();
    match values.iter().position(|value| value.is_nan() || value.abs() > largest) {
        None => Ok(()),
        Some(at) => Err(refusal(at, values[at], largest)),
    }
}

fn refusal(at: usize, value: f32, largest: f32) -> String {
    format!("value {at} is {value}; a weight must be finite and at most {largest:e} in size")
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::TensorFile;

    /// A matrix in a separate file.
    pub fn matrix(encoding: Encoding, outputs: usize, inputs: usize, bytes: &[u8]) -> Result<Matrix, ModelError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let file = Arc::new(TensorFile::open(file.path()).unwrap());
        Matrix::new(TensorBytes::new("m", &file, 0), encoding, outputs, inputs)
    }

    pub fn single(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn rotary_pairs_are_split() {
        // Two heads of 4 rows, one column; row values name (head, pair, part).
        let interleaved = single(&[0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0]);
        let m = matrix(Encoding::F32, 8, 1, &interleaved).unwrap().of_rotary_pairs(4);
        assert_eq!(m.into_single().unwrap(), [0.0, 10.0, 1.0, 11.0, 100.0, 110.0, 101.0, 111.0]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (value, fine) in [(Format::F32.largest(), true), (f32::NAN, false), (f32::INFINITY, false), (1e7, false)] {
            let read = matrix(Encoding::F32, 2, 1, &single(&[1.0, value])).unwrap().into_single();
            assert_eq!(read.is_ok(), fine, "{value}");
            if let Err(error) = read {
                assert!(error.to_string().contains("tensor m: value 1 is "), "{error}");
            }
        }
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused() {
        let refused = |encoding, inputs, bytes| matrix(encoding, 2, inputs, &vec![0; bytes]).unwrap_err().to_string();
        assert!(refused(Encoding::Q4K, 128, 144).contains("rows of 128 values do not divide into blocks of 256"));
        assert!(refused(Encoding::F32, 3, 20).contains("it takes 24 bytes from 0 on, but the file has 20 there"));
    }
}
