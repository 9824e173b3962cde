//! A weight matrix as a checkpoint has it, and how it is packed.

use pad_kernels::{Arena, BlockFormat, FeedForward, Format, PackedWeights};

/// How weights are kept in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// The fast form: 4-bit blocks stay 4 bits, everything else becomes 8-bit blocks; activations are quantised.
    #[default]
    Auto,
    /// Single precision, dequantised: the reference.
    F32,
}

/// A row-major matrix read from a checkpoint.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Rows.
    pub outputs: usize,
    /// Columns.
    pub inputs: usize,
    /// The values.
    pub values: Values,
}

/// The largest weight that a packed matrix holds: 127 steps of the largest half-precision scale.
const LARGEST: f32 = 127.0 * 65504.0;

/// Refuse values that no computation survives: NaN, infinities, and what is too large for an 8-bit block.
///
/// # Errors
/// A description of the first such value.
pub fn check_finite(values: &[f32]) -> Result<(), String> {
    match values.iter().position(|v| v.is_nan() || v.abs() > LARGEST) {
        None => Ok(()),
        Some(at) => Err(format!("value {at} is {}; a weight is a finite number of at most {LARGEST:e}", values[at])),
    }
}

/// The values of a matrix.
#[derive(Clone, Debug)]
pub enum Values {
    /// Single precision.
    Single(Vec<f32>),
    /// GGUF blocks of 32.
    Blocks(BlockFormat, Vec<u8>),
}

impl Matrix {
    /// One row in single precision.
    fn row(&self, row: usize, out: &mut Vec<f32>) {
        out.clear();
        match &self.values {
            Values::Single(values) => out.extend_from_slice(&values[row * self.inputs..(row + 1) * self.inputs]),
            Values::Blocks(format, _) => {
                for bytes in self.blocks(row, *format) {
                    let block = format.read(bytes);
                    let (scale, min) = (block.scale.to_f32(), block.min.to_f32());
                    out.extend(block.q.iter().map(|&q| scale * f32::from(q) + min));
                }
            }
        }
    }

    /// As [`check_finite`], for values of any kind.
    ///
    /// # Errors
    /// A description of the first value that is refused.
    pub fn check_finite(&self) -> Result<(), String> {
        match &self.values {
            Values::Single(values) => check_finite(values),
            Values::Blocks(format, bytes) => {
                match bytes.chunks_exact(format.bytes()).position(|block| !format.is_finite(block)) {
                    None => Ok(()),
                    Some(at) => Err(format!("the scale of block {at} is not a finite number of half precision")),
                }
            }
        }
    }

    fn blocks(&self, row: usize, format: BlockFormat) -> impl Iterator<Item = &[u8]> {
        let Values::Blocks(_, bytes) = &self.values else { unreachable!("only asked for a matrix of blocks") };
        let len = self.inputs / 32 * format.bytes();
        bytes[row * len..(row + 1) * len].chunks_exact(format.bytes())
    }

    /// All values in single precision, row-major.
    pub fn into_single(self) -> Vec<f32> {
        if let Values::Single(values) = self.values {
            return values;
        }
        let (mut all, mut row) = (Vec::with_capacity(self.outputs * self.inputs), Vec::new());
        for i in 0..self.outputs {
            self.row(i, &mut row);
            all.extend_from_slice(&row);
        }
        all
    }

    /// Reorder the rows of heads of `head_dim` rows, an even number, from interleaved rotary pairs (2j, 2j + 1), as GGUF files of Llama
    /// keep them, to split pairs (j, j + half), as the rest of the program does (and LoRA adapters expect).
    pub fn split_rotary_pairs(&mut self, head_dim: usize) {
        let source = |row: usize| {
            let (head, at) = (row / head_dim, row % head_dim);
            let (half, j) = (at / (head_dim / 2), at % (head_dim / 2));
            head * head_dim + 2 * j + half
        };
        match &mut self.values {
            Values::Single(values) => reorder(values, self.outputs, source),
            Values::Blocks(_, bytes) => reorder(bytes, self.outputs, source),
        }
    }
}

/// Row `i` becomes what row `source(i)` was.
fn reorder<T: Copy>(values: &mut Vec<T>, rows: usize, source: impl Fn(usize) -> usize) {
    let len = values.len() / rows.max(1);
    *values = (0..rows).flat_map(|row| &values[source(row) * len..(source(row) + 1) * len]).copied().collect();
}

/// Where a row of a part goes in a packed matrix.
pub struct Order {
    /// Outputs of the packed matrix.
    pub outputs: usize,
    /// The output that is row `.1` of part `.0`.
    pub place: fn(&[Matrix], usize, usize) -> usize,
}

impl Order {
    /// One part after the other.
    pub fn stacked(parts: &[Matrix]) -> Self {
        let place = |parts: &[Matrix], part: usize, row| parts[..part].iter().map(|m| m.outputs).sum::<usize>() + row;
        Self { outputs: parts.iter().map(|m| m.outputs).sum(), place }
    }

    /// Gates and ups in turns.
    pub fn gated(parts: &[Matrix]) -> Self {
        Self {
            outputs: FeedForward::packed_outputs(parts[0].outputs),
            place: |_, part, row| FeedForward::place(part, row),
        }
    }
}

/// Pack matrices of the same width into `arena`, in this order: projections that read the same input are one matrix.
pub fn pack(arena: &mut Arena, parts: &[Matrix], order: &Order, dtype: Dtype) -> PackedWeights {
    let (outputs, inputs) = (order.outputs, parts[0].inputs);
    let four_bits = |m: &Matrix| matches!(m.values, Values::Blocks(BlockFormat::Q4_0 | BlockFormat::Q4_1, _));
    let format = match dtype {
        Dtype::F32 => Format::F32,
        Dtype::Auto if parts.iter().all(four_bits) => Format::Q4,
        Dtype::Auto => Format::Q8,
    };
    let mut packed = PackedWeights::zeros(arena, format, outputs, inputs);
    let mut row = Vec::with_capacity(inputs);
    for (index, part) in parts.iter().enumerate() {
        for i in 0..part.outputs {
            let at = (order.place)(parts, index, i);
            match (&part.values, format) {
                (Values::Blocks(BlockFormat::Q8_0, _), Format::Q8) => {
                    for (b, bytes) in part.blocks(i, BlockFormat::Q8_0).enumerate() {
                        packed.set_block(at, b, &BlockFormat::Q8_0.read(bytes));
                    }
                }
                (Values::Blocks(source, _), Format::Q4) => {
                    for (b, bytes) in part.blocks(i, *source).enumerate() {
                        packed.set_block(at, b, &source.read(bytes));
                    }
                }
                _ => {
                    part.row(i, &mut row);
                    packed.set_row(at, &row);
                }
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotary_pairs_are_split() {
        // Two heads of 4 rows, one column; row values name (head, pair, part).
        let interleaved = vec![0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0];
        let mut m = Matrix { outputs: 8, inputs: 1, values: Values::Single(interleaved) };
        m.split_rotary_pairs(4);
        assert_eq!(m.into_single(), [0.0, 10.0, 1.0, 11.0, 100.0, 110.0, 101.0, 111.0]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let check = |value| check_finite(&[1.0, value]);
        assert!(check(-LARGEST).is_ok() && check(f32::MIN_POSITIVE).is_ok());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e7] {
            let message = check(value).unwrap_err();
            assert!(message.starts_with("value 1 is ") && message.contains("finite"), "{message}");
        }
        let block = |format: BlockFormat, scale: f32, min: f32| {
            let mut bytes = vec![0; format.bytes()];
            bytes[..2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
            if format == BlockFormat::Q4_1 {
                bytes[2..4].copy_from_slice(&half::f16::from_f32(min).to_le_bytes());
            }
            Matrix { outputs: 1, inputs: 32, values: Values::Blocks(format, bytes) }.check_finite()
        };
        for format in [BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q8_0] {
            assert!(block(format, 500.0, -1.0).is_ok());
            assert!(block(format, f32::NAN, 0.0).unwrap_err().contains("scale of block 0"));
            assert!(block(format, f32::INFINITY, 0.0).is_err());
        }
        assert!(block(BlockFormat::Q4_1, 1.0, f32::NEG_INFINITY).is_err());
        assert!(block(BlockFormat::Q4_0, 9000.0, 0.0).is_err(), "its minimum is infinite");
    }

    #[test]
    fn blocks_are_packed_without_loss_and_mixtures_promoted() {
        let q4 = |seed: u8| {
            let mut bytes = Vec::new();
            for i in 0..4_u8 {
                bytes.extend(half::f16::from_f32(0.5 + f32::from(i)).to_le_bytes());
                bytes.extend(half::f16::from_f32(-1.0).to_le_bytes());
                bytes.extend((0..16).map(|j| seed.wrapping_mul(j) ^ (i * 17)));
            }
            Matrix { outputs: 2, inputs: 64, values: Values::Blocks(BlockFormat::Q4_1, bytes) }
        };
        let (a, b) = (q4(13), q4(91));
        let want: Vec<f32> = [a.clone().into_single(), b.clone().into_single()].concat();
        let parts = [a, b];
        let mut arena = Arena::default();
        let fast = pack(&mut arena, &parts, &Order::stacked(&parts), Dtype::Auto);
        assert_eq!((fast.format(), fast.to_f32()), (Format::Q4, want.clone()));
        assert_eq!(pack(&mut arena, &parts, &Order::stacked(&parts), Dtype::F32).to_f32(), want);
        let single = Matrix { outputs: 1, inputs: 64, values: Values::Single(vec![0.25; 64]) };
        let parts = [parts[0].clone(), single];
        let mixed = pack(&mut arena, &parts, &Order::stacked(&parts), Dtype::Auto);
        assert_eq!((mixed.format(), mixed.outputs()), (Format::Q8, 3));
        let close = mixed.to_f32().iter().zip(&want[..128]).all(|(a, b)| (a - b).abs() < 0.25);
        assert!(close);
    }
}
