//! A weight matrix in tiles: 16 outputs by blocks of 32 inputs, in the order in which the tile loops read it.

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

use crate::Pool;
use crate::arena::{Arena, Buffer, Line};
use crate::format::{BLOCK_LEN, Format, TILE};
use crate::shared::SharedSlice;
use crate::tile_rows::{TileRows, read_row};

/// Weights `[outputs, inputs]`, padded with zeros to tiles of 16 outputs and blocks of 32 inputs. Each tile has a format of its own,
/// so matrices of different formats can be stacked; all of them are quantised, or none is.
///
/// A tile of single precision is `[inputs][16 outputs]`; of a quantised format it is one unit after another, as
/// [`Format`] describes them: 16 scales, 16 minima where there are any, factors `[8 blocks][2][16 outputs]` where there are two
/// stages, and the quantised values block by block.
pub struct PackedWeights {
    outputs: usize,
    inputs: usize,
    /// Each tile's format, and where its bytes begin.
    tiles: Vec<(Format, usize)>,
    data: Buffer,
}

impl std::fmt::Debug for PackedWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedWeights({:?}, [{}, {}])", self.formats(), self.outputs, self.inputs)
    }
}

impl PackedWeights {
    /// A matrix in `arena`'s memory whose tiles have these formats; `fill(tile, rows)` sets the rows of each tile, on all of the
    /// pool's threads.
    ///
    /// # Errors
    /// The first that `fill` has.
    ///
    /// # Panics
    /// If there are not as many formats as tiles, or some of them are quantised and some are not.
    pub fn fill<E: Send>(
        arena: &mut Arena,
        pool: &Pool,
        formats: &[Format],
        (outputs, inputs): (usize, usize),
        fill: &(dyn Fn(usize, &mut TileRows<'_>) -> Result<(), E> + Sync),
    ) -> Result<Self, E> {
        assert_eq!(formats.len(), outputs.div_ceil(TILE), "a format for each tile");
        let single = formats.iter().filter(|format| **format == Format::F32).count();
        assert!(single == 0 || single == formats.len(), "all tiles are quantised, or none is");
        let mut lines = 0;
        let place = |format: &Format| {
            let start = lines * size_of::<Line>();
            lines += tile_bytes(*format, inputs).div_ceil(size_of::<Line>());
            (*format, start)
        };
        let tiles: Vec<(Format, usize)> = formats.iter().map(place).collect();
        let failed = Mutex::new(None);
        let data = arena.take(lines, |bytes: &SharedSlice<'_, MaybeUninit<u8>>| {
            pool.run_ranges(tiles.len(), 1, &|first, last| {
                for tile in first..last {
                    let (format, start) = tiles[tile];
                    let end = tiles.get(tile + 1).map_or(lines * size_of::<Line>(), |(_, end)| *end);
                    // SAFETY: tiles do not overlap, and each belongs to one range.
                    let bytes = unsafe { bytes.zeroed(start, end - start) };
                    let bytes = &mut bytes[..tile_bytes(format, inputs)];
                    if let Err(error) = fill(tile, &mut TileRows::new(format, inputs, bytes)) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(Self { outputs, inputs, tiles, data }),
            Some(error) => Err(error),
        }
    }

    /// Pack a row-major `[outputs, inputs]` matrix in single precision or rounded to 4 or 8 bits.
    ///
    /// # Panics
    /// If `values` is not `outputs * inputs` long or the format is neither `F32`, `Q4_1` nor `Q8_0`.
    pub fn from_f32(format: Format, outputs: usize, inputs: usize, values: &[f32]) -> Self {
        assert_eq!(values.len(), outputs * inputs, "a row-major matrix");
        let formats = vec![format; outputs.div_ceil(TILE)];
        let filled: Result<_, std::convert::Infallible> =
            Self::fill(&mut Arena::default(), &Pool::new(1), &formats, (outputs, inputs), &|tile, rows| {
                let values = &values[tile * TILE * inputs..];
                let lanes = values.chunks_exact(inputs.max(1)).take(TILE).enumerate();
                lanes.for_each(|(lane, values)| _ = rows.set_values(lane, values));
                Ok(())
            });
        let Ok(packed) = filled;
        packed
    }

    /// The formats of its tiles, each once.
    pub fn formats(&self) -> Vec<Format> {
        let mut formats: Vec<Format> = self.tiles.iter().map(|(format, _)| *format).collect();
        formats.sort_unstable();
        formats.dedup();
        formats
    }

    /// Whether its values are single precision.
    pub(crate) fn is_single(&self) -> bool {
        self.tiles.first().is_some_and(|(format, _)| *format == Format::F32)
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
        self.tiles.len()
    }

    pub(crate) fn blocks(&self) -> usize {
        self.inputs.div_ceil(BLOCK_LEN)
    }

    /// One tile's format, and its bytes.
    pub(crate) fn tile(&self, tile: usize) -> (Format, &[u8]) {
        let (format, start) = self.tiles[tile];
        (format, &self.data.bytes()[start..start + tile_bytes(format, self.inputs)])
    }

    /// Read a row back as single precision into `out`, `inputs` long: an embedding.
    ///
    /// # Panics
    /// If the row does not exist or `out` has another length.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.outputs, "row {row} of {self:?}");
        assert_eq!(out.len(), self.inputs, "a row has one value per input");
        let (format, tile) = self.tile(row / TILE);
        read_row(format, tile, row % TILE, out);
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

/// Bytes of a tile with this many inputs.
fn tile_bytes(format: Format, inputs: usize) -> usize {
    if format == Format::F32 {
        return inputs * TILE * 4;
    }
    inputs.div_ceil(BLOCK_LEN).div_ceil(format.unit_blocks()) * format.unit_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;

    #[test]
    fn rows_come_back() {
        for (outputs, inputs) in [(1, 1), (16, 32), (17, 33), (40, 96), (5, 80)] {
            let source: Vec<f32> = (0..outputs * inputs).map(|i| ((i * 7919 % 1009) as f32 - 500.0) / 250.0).collect();
            let exact = PackedWeights::from_f32(Format::F32, outputs, inputs, &source);
            assert_eq!(exact.to_f32(), source);
            let rounded = PackedWeights::from_f32(Format::Q8_0, outputs, inputs, &source).to_f32();
            assert!(rounded.iter().zip(&source).all(|(a, b)| (a - b).abs() < 0.009), "[{outputs}, {inputs}]");
            let four = PackedWeights::from_f32(Format::Q4_1, outputs, inputs, &source);
            assert!(four.to_f32().iter().zip(&source).all(|(a, b)| (a - b).abs() < 0.3), "[{outputs}, {inputs}]");
        }
    }

    /// Every encoding whose blocks are units, in tiles that take turns, from bytes of all kinds.
    #[test]
    fn units_come_back_from_every_format() {
        let units = Encoding::ALL.map(|(encoding, ..)| encoding).into_iter().filter(|encoding| encoding.has_units());
        let encodings: Vec<Encoding> = units.collect();
        let (outputs, inputs) = (encodings.len() * TILE - 3, 512);
        let rows: Vec<Vec<u8>> = (0..outputs).map(|row| encoded(encodings[row / TILE], row, inputs)).collect();
        let formats: Vec<Format> = encodings.iter().map(|encoding| encoding.format()).collect();
        let packed =
            PackedWeights::fill(&mut Arena::default(), &Pool::new(2), &formats, (outputs, inputs), &|tile, to| {
                let mut rows = rows[tile * TILE..].iter().take(TILE).enumerate();
                rows.try_for_each(|(lane, row)| to.set_encoded(lane, encodings[tile], row).map(|_| ()))
            });
        let packed = packed.unwrap();
        assert_eq!(packed.formats(), Format::QUANTISED);
        let mut got = vec![0.0; inputs];
        for (row, bytes) in rows.iter().enumerate() {
            let encoding = encodings[row / TILE];
            let mut want = vec![0.0; inputs];
            encoding.dequantise(bytes, &mut want);
            packed.row(row, &mut got);
            assert_eq!(got, want, "{encoding:?}, row {row}");
        }
    }

    /// Bytes of a row, their half-precision numbers finite.
    fn encoded(encoding: Encoding, row: usize, inputs: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..encoding.row_bytes(inputs).unwrap()).map(|i| ((i * 7919 + row * 104_729) % 251) as u8).collect();
        for block in bytes.chunks_exact_mut(encoding.block().1) {
            // Wherever the scales lie: no exponent is the largest.
            for at in [0, 2, block.len() - 2] {
                block.get_mut(at + 1).into_iter().for_each(|byte| *byte &= 0xbf);
            }
        }
        bytes
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (encoding, at) in [(Encoding::Q4_1, 2), (Encoding::Q6K, 208), (Encoding::F16, 8), (Encoding::Q2K, 80)] {
            let mut row = encoded(encoding, 1, 256);
            row[at..at + 2].copy_from_slice(&half::f16::INFINITY.to_le_bytes());
            let packed = PackedWeights::fill(
                &mut Arena::default(),
                &Pool::new(1),
                &[encoding.format()],
                (1, 256),
                &|_, rows| rows.set_encoded(0, encoding, &row).map(|_| ()),
            );
            assert!(packed.is_err(), "{encoding:?}");
        }
    }
}
