//! How matrices of a checkpoint are packed: on all threads, each reading the rows of its tiles.

use pad_kernels::{Arena, FeedForward, Format, PackedWeights, Pool, TILE};

use crate::{Matrix, ModelError};

/// How weights are kept in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// The fast form: blocks of 4 to 6 bits stay as they are, everything else becomes 8-bit blocks; activations are quantised.
    #[default]
    Auto,
    /// Single precision, dequantised: the reference.
    F32,
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
/// the format of its rows; rows of different formats in one tile are rounded to 8 bits.
///
/// # Errors
/// If a file cannot be read or a value is not finite.
pub fn pack(
    arena: &mut Arena,
    pool: &Pool,
    parts: &[Matrix],
    order: Order,
    dtype: Dtype,
) -> Result<PackedWeights, ModelError> {
    let (outputs, inputs) = (order.outputs(parts), parts[0].inputs);
    let format = |tile| {
        if dtype == Dtype::F32 {
            return Format::F32;
        }
        let mut formats = order.runs(parts, tile).into_iter().map(|(_, part, ..)| parts[part].encoding.format());
        let first = formats.next().unwrap_or(Format::Q8_0);
        if formats.all(|format| format == first) { first } else { Format::Q8_0 }
    };
    let formats: Vec<Format> = (0..outputs.div_ceil(TILE)).map(format).collect();
    PackedWeights::fill(arena, pool, &formats, (outputs, inputs), &|tile, rows| {
        for (lane, part, row, count) in order.runs(parts, tile) {
            let part = &parts[part];
            part.rows(row, count, |i, bytes| {
                rows.set_encoded(lane + i, part.encoding, bytes)
                    .map_err(|(column, value)| part.refuse(row + i, column, value))
            })?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use half::f16;
    use pad_kernels::Encoding;

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
        pack(&mut Arena::default(), &Pool::new(2), parts, order, dtype).unwrap()
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
        for dtype in [Dtype::Auto, Dtype::F32] {
            let error = pack(&mut Arena::default(), &Pool::new(2), std::slice::from_ref(&part), Order::Stacked, dtype)
                .unwrap_err();
            assert!(error.to_string().contains("tensor m: value 75 is NaN"), "{error}");
        }
    }
}
