//! A weight matrix in tiles: 16 outputs by blocks of 32 inputs, in the order in which the tile loops read it.

use half::f16;

use crate::arena::{Arena, Buffer, Line};
use crate::block::{BLOCK_LEN, Block};

/// Outputs in a tile.
pub const TILE: usize = 16;

/// How a matrix keeps its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// 4 bits, a half-precision scale and minimum for each block: 5 bits a value.
    Q4,
    /// 8 bits and a half-precision scale for each block: 8.5 bits a value.
    Q8,
    /// Single precision.
    F32,
}

impl Format {
    /// Bytes of one tile's block: 16 outputs by 32 inputs.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => TILE * BLOCK_LEN * 4,
            Self::Q8 => TILE * 2 + TILE * BLOCK_LEN,
            Self::Q4 => TILE * 4 + TILE * BLOCK_LEN / 2,
        }
    }
}

/// Weights `[out, in]`, each tile's block laid out as
///
/// * `F32`: `[32 inputs][16 outputs]` single precision;
/// * `Q8`: 16 scales, then `[8 groups][16 outputs][4 inputs]` bytes with an offset of 128;
/// * `Q4`: 16 scales, 16 minima, then `[4 groups][16 outputs][4 inputs]` bytes whose low halves are groups 0 to 3 and high
///   halves groups 4 to 7.
///
/// Outputs are padded to 16 and inputs to 32 with zeros.
pub struct PackedWeights {
    format: Format,
    outputs: usize,
    inputs: usize,
    data: Buffer,
}

impl std::fmt::Debug for PackedWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedWeights({:?}, [{}, {}])", self.format, self.outputs, self.inputs)
    }
}

impl PackedWeights {
    /// A matrix of zeros in `arena`'s memory, to be filled row by row.
    pub fn zeros(arena: &mut Arena, format: Format, outputs: usize, inputs: usize) -> Self {
        let bytes = outputs.div_ceil(TILE) * inputs.div_ceil(BLOCK_LEN) * format.block_bytes();
        Self { format, outputs, inputs, data: arena.take(bytes.div_ceil(size_of::<Line>())) }
    }

    /// Pack a row-major `[outputs, inputs]` matrix; with a quantised format the values are rounded to 8 bits.
    ///
    /// # Panics
    /// If `values` is not `outputs * inputs` long or the format is `Q4`, which only GGUF blocks fill.
    pub fn from_f32(format: Format, outputs: usize, inputs: usize, values: &[f32]) -> Self {
        assert_eq!(values.len(), outputs * inputs, "a row-major matrix");
        let mut packed = Self::zeros(&mut Arena::default(), format, outputs, inputs);
        for (row, values) in values.chunks_exact(inputs.max(1)).enumerate() {
            packed.set_row(row, values);
        }
        packed
    }

    /// How values are kept.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Number of outputs, the rows of the matrix.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of inputs, its columns.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.data.bytes().len()
    }

    pub(crate) fn tiles(&self) -> usize {
        self.outputs.div_ceil(TILE)
    }

    pub(crate) fn blocks(&self) -> usize {
        self.inputs.div_ceil(BLOCK_LEN)
    }

    /// The bytes of one tile, all its blocks.
    pub(crate) fn tile(&self, tile: usize) -> &[u8] {
        let len = self.blocks() * self.format.block_bytes();
        &self.data.bytes()[tile * len..(tile + 1) * len]
    }

    fn block_mut(&mut self, row: usize, block: usize) -> &mut [u8] {
        assert!(row < self.outputs && block < self.blocks(), "block ({row}, {block}) outside {self:?}");
        let len = self.format.block_bytes();
        let start = (row / TILE * self.blocks() + block) * len;
        &mut self.data.bytes_mut()[start..start + len]
    }

    /// Set a row from single-precision values; rounded to 8 bits if the format is `Q8`.
    ///
    /// # Panics
    /// If the row is not `inputs` long, or the format is `Q4`.
    pub fn set_row(&mut self, row: usize, values: &[f32]) {
        assert_eq!(values.len(), self.inputs, "a row has one value per input");
        for (block, values) in values.chunks(BLOCK_LEN).enumerate() {
            match self.format {
                Format::F32 => {
                    let bytes = self.block_mut(row, block);
                    for (i, v) in values.iter().enumerate() {
                        let at = (i * TILE + row % TILE) * 4;
                        bytes[at..at + 4].copy_from_slice(&v.to_ne_bytes());
                    }
                }
                Format::Q8 => self.set_block(row, block, &Block::quantise(values)),
                Format::Q4 => panic!("a Q4 matrix is filled from 4-bit blocks"),
            }
        }
    }

    /// Set one block of a row from a quantised block.
    ///
    /// # Panics
    /// If the format is `F32`, or `Q8` and the block's minimum is not -128 scales.
    pub fn set_block(&mut self, row: usize, block: usize, values: &Block) {
        let (lane, format) = (row % TILE, self.format);
        let bytes = self.block_mut(row, block);
        bytes[lane * 2..lane * 2 + 2].copy_from_slice(&values.scale.to_ne_bytes());
        match format {
            Format::F32 => panic!("an F32 matrix is filled from rows"),
            Format::Q8 => {
                let symmetric = f16::from_f32(-128.0 * values.scale.to_f32());
                assert_eq!(values.min, symmetric, "8-bit blocks are symmetric");
                for (i, &q) in values.q.iter().enumerate() {
                    bytes[TILE * 2 + (i / 4) * 64 + lane * 4 + i % 4] = q;
                }
            }
            Format::Q4 => {
                let min = TILE * 2 + lane * 2;
                bytes[min..min + 2].copy_from_slice(&values.min.to_ne_bytes());
                for i in 0..BLOCK_LEN / 2 {
                    let at = TILE * 4 + (i / 4) * 64 + lane * 4 + i % 4;
                    bytes[at] = values.q[i] | (values.q[i + BLOCK_LEN / 2] << 4);
                }
            }
        }
    }

    /// Read a row back as single precision into `out`, `inputs` long: an embedding.
    ///
    /// # Panics
    /// If the row does not exist or `out` has another length.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.outputs, "row {row} of {self:?}");
        assert_eq!(out.len(), self.inputs, "a row has one value per input");
        let (lane, len) = (row % TILE, self.format.block_bytes());
        let tile = self.tile(row / TILE);
        for (bytes, out) in tile.chunks_exact(len).zip(out.chunks_mut(BLOCK_LEN)) {
            let half = |at: usize| f16::from_ne_bytes([bytes[at], bytes[at + 1]]).to_f32();
            for (i, out) in out.iter_mut().enumerate() {
                *out = match self.format {
                    Format::F32 => {
                        let at = (i * TILE + lane) * 4;
                        f32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
                    }
                    Format::Q8 => {
                        let q = bytes[TILE * 2 + (i / 4) * 64 + lane * 4 + i % 4];
                        half(lane * 2) * (f32::from(q) - 128.0)
                    }
                    Format::Q4 => {
                        let j = i % (BLOCK_LEN / 2);
                        let byte = bytes[TILE * 4 + (j / 4) * 64 + lane * 4 + j % 4];
                        let q = if i < BLOCK_LEN / 2 { byte & 15 } else { byte >> 4 };
                        half(lane * 2) * f32::from(q) + half(TILE * 2 + lane * 2)
                    }
                };
            }
        }
    }

    /// The whole matrix as row-major single precision `[outputs, inputs]`: what a twin computes with.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.outputs * self.inputs];
        for (row, out) in values.chunks_exact_mut(self.inputs.max(1)).enumerate() {
            self.row(row, out);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        for (outputs, inputs) in [(1, 1), (16, 32), (17, 33), (40, 96), (5, 80)] {
            let source: Vec<f32> = (0..outputs * inputs).map(|i| ((i * 7919 % 1009) as f32 - 500.0) / 250.0).collect();
            let exact = PackedWeights::from_f32(Format::F32, outputs, inputs, &source);
            assert_eq!(exact.to_f32(), source);
            let rounded = PackedWeights::from_f32(Format::Q8, outputs, inputs, &source).to_f32();
            assert!(rounded.iter().zip(&source).all(|(a, b)| (a - b).abs() < 0.009), "[{outputs}, {inputs}]");
        }
    }

    #[test]
    fn four_bit_blocks_come_back() {
        let mut packed = PackedWeights::zeros(&mut Arena::default(), Format::Q4, 20, 64);
        let mut want = vec![0.0; 20 * 64];
        for row in 0..20 {
            for block in 0..2 {
                let (scale, min) = (0.25 + row as f32, -3.0 - block as f32);
                let q = std::array::from_fn(|i| ((i * 5 + row + block) % 16) as u8);
                packed.set_block(row, block, &Block { scale: f16::from_f32(scale), min: f16::from_f32(min), q });
                for i in 0..32 {
                    want[row * 64 + block * 32 + i] = scale * f32::from(q[i]) + min;
                }
            }
        }
        assert_eq!(packed.to_f32(), want);
    }
}
