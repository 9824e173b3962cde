//! One block: 32 consecutive inputs of one output row, as a packed matrix takes it.

use half::f16;

/// Inputs in a block.
pub const BLOCK_LEN: usize = 32;

/// A block of one row: `w[i] = scale * q[i] + min`, with `q` unsigned.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Step between neighbouring values.
    pub scale: f16,
    /// Value of `q = 0`.
    pub min: f16,
    /// The quantised values, 0 to 15 or 0 to 255.
    pub q: [u8; BLOCK_LEN],
}

/// The GGUF block formats that are repacked without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFormat {
    /// 4 bits, a scale.
    Q4_0,
    /// 4 bits, a scale and a minimum.
    Q4_1,
    /// 8 bits, a scale.
    Q8_0,
}

impl BlockFormat {
    /// Bytes of one block in a GGUF file.
    pub fn bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q8_0 => 34,
        }
    }

    /// Scale and minimum of one block of a GGUF file.
    fn scale_and_min(self, bytes: &[u8]) -> (f16, f16) {
        let half = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let scale = half(0);
        match self {
            // -8 times a half is a half, short of overflow: exact.
            Self::Q4_0 => (scale, f16::from_f32(-8.0 * scale.to_f32())),
            Self::Q4_1 => (scale, half(2)),
            Self::Q8_0 => (scale, f16::from_f32(-128.0 * scale.to_f32())),
        }
    }

    /// Whether all values of one block of a GGUF file are numbers that the program can hold.
    pub fn is_finite(self, bytes: &[u8]) -> bool {
        let (scale, min) = self.scale_and_min(bytes);
        scale.is_finite() && min.is_finite()
    }

    /// Read one block of a GGUF file, [`Self::bytes`] long.
    pub fn read(self, bytes: &[u8]) -> Block {
        let (scale, min) = self.scale_and_min(bytes);
        let mut q = [0; BLOCK_LEN];
        let nibbles = |q: &mut [u8; BLOCK_LEN], packed: &[u8]| {
            for (i, &byte) in packed.iter().enumerate() {
                (q[i], q[i + 16]) = (byte & 15, byte >> 4);
            }
        };
        match self {
            Self::Q4_0 => {
                nibbles(&mut q, &bytes[2..18]);
            }
            Self::Q4_1 => {
                nibbles(&mut q, &bytes[4..20]);
            }
            Self::Q8_0 => {
                for (q, &byte) in q.iter_mut().zip(&bytes[2..34]) {
                    *q = byte.wrapping_add(128);
                }
            }
        }
        Block { scale, min, q }
    }
}

impl Block {
    /// The nearest 8-bit block to up to 32 values (missing ones are 0): symmetric, scale = max |w| / 127.
    pub fn quantise(values: &[f32]) -> Self {
        let max = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let scale = f16::from_f32(max / 127.0);
        let step = scale.to_f32();
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let mut q = [128; BLOCK_LEN];
        for (q, v) in q.iter_mut().zip(values) {
            *q = ((v * inverse).round().clamp(-127.0, 127.0) as i32 + 128) as u8;
        }
        Self { scale, min: f16::from_f32(-128.0 * step), q }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(block: &Block) -> Vec<f32> {
        block.q.iter().map(|&q| block.scale.to_f32() * f32::from(q) + block.min.to_f32()).collect()
    }

    #[test]
    fn reads_what_candle_reads() {
        use candle_core::quantized::{GgmlDType, QTensor};
        let source: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 30.0) / 7.0).collect();
        let tensor = candle_core::Tensor::from_slice(&source, (2, 32), &candle_core::Device::Cpu).unwrap();
        for (format, dtype) in [
            (BlockFormat::Q4_0, GgmlDType::Q4_0),
            (BlockFormat::Q4_1, GgmlDType::Q4_1),
            (BlockFormat::Q8_0, GgmlDType::Q8_0),
        ] {
            let q = QTensor::quantize(&tensor, dtype).unwrap();
            let want: Vec<f32> =
                q.dequantize(&candle_core::Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let data = q.data().unwrap();
            let got: Vec<f32> = data.chunks(format.bytes()).flat_map(|bytes| values(&format.read(bytes))).collect();
            for (g, w) in got.iter().zip(&want) {
                assert!((g - w).abs() < 1e-5, "{format:?}: {g} against {w}");
            }
        }
    }

    #[test]
    fn quantising_keeps_half_a_step() {
        let source: Vec<f32> = (0..20).map(|i| (i as f32 - 9.5).powi(3) / 100.0).collect();
        let block = Block::quantise(&source);
        for (got, want) in values(&block).iter().zip(source.iter().chain(&[0.0; 12])) {
            assert!((got - want).abs() <= 0.51 * block.scale.to_f32(), "{got} against {want}");
        }
        assert!(values(&Block::quantise(&[0.0; 32])).iter().all(|v| *v == 0.0));
    }
}
