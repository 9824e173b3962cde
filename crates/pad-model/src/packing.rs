//! How matrices of a checkpoint are packed: on all threads, each reading the rows of its tiles.

use std::sync::{Mutex, PoisonError};

use pad_kernels::{Arena, Encoding, FeedForward, Format, PackedWeights, Pool, Rounding, TILE};

use crate::{Matrix, ModelError};

/// How weights are kept in memory. Blocks of up to 8 bits stay as the file has them unless all is single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// The fast form: everything else becomes 8-bit blocks, and activations are quantised.
    #[default]
    Auto,
    /// The same, but values of 16 and 32 bits become 4-bit blocks with a scale and a minimum, except for embeddings, routers and norms.
    Q4,
    /// Single precision, dequantised: the reference.
    F32,
}

impl Dtype {
    /// How embeddings are kept: rounding them to 4 bits costs more than other matrices, and they are read row by row.
    #[must_use]
    pub fn of_embeddings(self) -> Self {
        if self == Self::Q4 { Self::Auto } else { self }
    }

    /// The format of rows that a file has in `encoding`.
    fn format(self, encoding: Encoding) -> Format {
        match (self, encoding) {
            (Self::F32, _) => Format::F32,
            (Self::Q4, Encoding::F32 | Encoding::F16 | Encoding::BF16) => Format::Q4_1,
            (Self::Auto | Self::Q4, _) => encoding.format(),
        }
    }
}

/// Where the rows of some parts go in a packed matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One part after the other.
    Stacked,
    /// Tiles of gates and ups in turns.
    Gated,
}

impl Order {
    /// Outputs of the packed matrix.
    pub fn outputs(self, parts: &[Matrix]) -> usize {
        match self {
            Self::Stacked => parts.iter().map(|part| part.outputs).sum(),
            Self::Gated => FeedForward::packed_outputs(parts[0].outputs),
        }
    }

    /// The part and its row that is this output, if it is not padding.
    fn source(self, parts: &[Matrix], output: usize) -> Option<(usize, usize)> {
        match self {
            Self::Stacked => {
                let mut row = output;
                for (index, part) in parts.iter().enumerate() {
                    if row < part.outputs {
                        return Some((index, row));
                    }
                    row -= part.outputs;
                }
                None
            }
            Self::Gated => {
                let (part, row) = FeedForward::source(output);
                (row < parts[part].outputs).then_some((part, row))
            }
        }
    }

    /// The rows of a tile: first lane, part, first row and number of rows of each run.
    fn runs(self, parts: &[Matrix], tile: usize) -> Vec<(usize, usize, usize, usize)> {
        let mut runs: Vec<(usize, usize, usize, usize)> = Vec::new();
        for lane in 0..TILE {
            let Some((part, row)) = self.source(parts, tile * TILE + lane) else { continue };
            match runs.last_mut() {
                Some(run) if (run.0 + run.3, run.1, run.2 + run.3) == (lane, part, row) => run.3 += 1,
                _ => runs.push((lane, part, row, 1)),
            }
        }
        runs
    }
}

/// Pack matrices of the same width into `arena`, in this order: projections that read the same input are one matrix. A tile keeps
/// the format of its rows; rows of different formats in one tile are rounded to 8 bits. Also returns what rounding did to the weights.
///
/// # Errors
/// If a file cannot be read or a value is not finite.
pub fn pack(
    arena: &mut Arena,
    pool: &Pool,
    parts: &[Matrix],
    order: Order,
    dtype: Dtype,
) -> Result<(PackedWeights, Rounding), ModelError> {
    let (outputs, inputs) = (order.outputs(parts), parts[0].inputs);
    let format = |tile| {
        let mut formats = order.runs(parts, tile).into_iter().map(|(_, part, ..)| dtype.format(parts[part].encoding));
        let first = formats.next().unwrap_or(dtype.format(Encoding::Q8_0));
        if formats.all(|format| format == first) { first } else { Format::Q8_0 }
    };
    let formats: Vec<Format> = (0..outputs.div_ceil(TILE)).map(format).collect();
    let rounding = Mutex::new(Rounding::default());
    let packed = PackedWeights::fill::<ModelError>(arena, pool, &formats, (outputs, inputs), &|tile, rows| {
        let mut of_tile = Rounding::default();
        for (lane, part, row, count) in order.runs(parts, tile) {
            let part = &parts[part];
            part.rows(row, count, |i, bytes| {
                of_tile += rows
                    .set_encoded(lane + i, part.encoding, bytes)
                    .map_err(|(column, value)| part.refuse(row + i, column, value, formats[tile].largest()))?;
                Ok(())
            })?;
        }
        *rounding.lock().unwrap_or_else(PoisonError::into_inner) += of_tile;
        Ok(())
    })?;
    Ok((packed, rounding.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::matrix::tests::{matrix, single};

    /// Rows of 64 values whose blocks are 4 bits, a scale and a minimum.
    fn q4_1(rows: usize, seed: u8) -> Matrix {
        let mut bytes = Vec::new();
        for i in 0..2 * rows as u8 {
            bytes.extend(f16::from_f32(0.5 + f32::from(i)).to_le_bytes());
            bytes.extend(f16::from_f32(-1.0).to_le_bytes());
            bytes.extend((0..16).map(|j| seed.wrapping_mul(j) ^ i.wrapping_mul(17)));
        }
        matrix(Encoding::Q4_1, rows, 64, &bytes).unwrap()
    }

    fn packed(parts: &[Matrix], order: Order, dtype: Dtype) -> PackedWeights {
        pack(&mut Arena::default(), &Pool::new(2), parts, order, dtype).unwrap().0
    }

    #[test]
    fn tiles_keep_their_rows_format_and_mixed_tiles_have_8_bits() {
        let parts = [q4_1(32, 13), q4_1(20, 91), matrix(Encoding::F32, 2, 64, &single(&[0.25; 128])).unwrap()];
        let want = parts.iter().flat_map(|part| part.clone().into_single().unwrap()).collect::<Vec<f32>>();
        let fast = packed(&parts[..2], Order::Stacked, Dtype::Auto);
        assert_eq!((fast.formats(), fast.to_f32()), (vec![Format::Q4_1], want[..52 * 64].to_vec()));
        assert_eq!(packed(&parts, Order::Stacked, Dtype::F32).to_f32(), want);
        let mixed = packed(&parts, Order::Stacked, Dtype::Auto);
        assert_eq!(mixed.formats(), [Format::Q4_1, Format::Q8_0]);
        let got = mixed.to_f32();
        assert_eq!(got[..48 * 64], want[..48 * 64]);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 4.0;
        assert!(got[48 * 64..].iter().zip(&want[48 * 64..]).all(close));
    }

    #[test]
    fn values_of_16_and_32_bits_become_4_bits_where_that_is_asked_for() {
        let values: Vec<f32> = (0..32 * 64).map(|i| ((i * 7919 % 2003) as f32 - 1000.0) / 700.0).collect();
        let halves: Vec<u8> = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        let upper: Vec<u8> = values.iter().flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()).collect();
        let parts = [
            matrix(Encoding::F32, 32, 64, &single(&values)).unwrap(),
            matrix(Encoding::F16, 32, 64, &halves).unwrap(),
            matrix(Encoding::BF16, 32, 64, &upper).unwrap(),
        ];
        let of = |dtype| pack(&mut Arena::default(), &Pool::new(2), &parts, Order::Stacked, dtype).unwrap();
        let (four, eight) = (of(Dtype::Q4), of(Dtype::Auto));
        assert_eq!((four.0.formats(), eight.0.formats()), (vec![Format::Q4_1], vec![Format::Q8_0]));
        assert_eq!(four.1.weights, 96 * 64);
        let (four, eight) = (four.1.relative(), eight.1.relative());
        assert!((0.01..0.08).contains(&four) && (0.001..0.01).contains(&eight), "{four}, {eight}");
        assert_eq!(of(Dtype::F32).1, Rounding::default());

        let kept = pack(&mut Arena::default(), &Pool::new(1), &[q4_1(32, 5)], Order::Stacked, Dtype::Q4).unwrap();
        assert_eq!((kept.0.formats(), kept.1), (vec![Format::Q4_1], Rounding::default()), "4 bits stay what they are");
    }

    #[test]
    fn gates_and_ups_take_turns() {
        let parts = [q4_1(40, 3), q4_1(40, 7)];
        let got = packed(&parts, Order::Gated, Dtype::Auto);
        let mut row = vec![9.0; 64];
        for (part, matrix) in parts.into_iter().enumerate() {
            for (i, want) in matrix.into_single().unwrap().chunks_exact(64).enumerate() {
                got.row(FeedForward::place(part, i), &mut row);
                assert_eq!(row, want, "{part}, {i}");
            }
        }
        got.row(FeedForward::place(1, 40), &mut row);
        assert_eq!(row, [0.0; 64], "padding");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let mut values = [0.5; 20 * 4];
        values[18 * 4 + 3] = f32::NAN;
        let part = matrix(Encoding::F32, 20, 4, &single(&values)).unwrap();
        for dtype in [Dtype::Auto, Dtype::Q4, Dtype::F32] {
            let error = pack(&mut Arena::default(), &Pool::new(2), std::slice::from_ref(&part), Order::Stacked, dtype)
                .unwrap_err();
            assert!(error.to_string().contains("tensor m: value 75 is NaN"), "{error}");
        }
    }
}
