//! Every encoding against candle's reader, and the two that candle does not read against numbers worked by hand.

use candle_core::quantized::ggml_file::qtensor_from_ggml;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use super::*;

#[test]
fn reads_what_candle_reads_to_the_last_bit() {
    let source: Vec<f32> = (0..3 * 512).map(|i| ((i * 7919 % 2003) as f32 - 1000.0) / 700.0).collect();
    let tensor = Tensor::from_slice(&source, (3, 512), &Device::Cpu).unwrap();
    for (encoding, dtype) in [
        (Encoding::F32, GgmlDType::F32),
        (Encoding::F16, GgmlDType::F16),
        (Encoding::BF16, GgmlDType::BF16),
        (Encoding::Q4_0, GgmlDType::Q4_0),
        (Encoding::Q4_1, GgmlDType::Q4_1),
        (Encoding::Q5_0, GgmlDType::Q5_0),
        (Encoding::Q5_1, GgmlDType::Q5_1),
        (Encoding::Q8_0, GgmlDType::Q8_0),
        (Encoding::Q2K, GgmlDType::Q2K),
        (Encoding::Q3K, GgmlDType::Q3K),
        (Encoding::Q4K, GgmlDType::Q4K),
        (Encoding::Q5K, GgmlDType::Q5K),
        (Encoding::Q6K, GgmlDType::Q6K),
    ] {
        let q = QTensor::quantize(&tensor, dtype).unwrap();
        let want: Vec<f32> = q.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let data = q.data().unwrap();
        let mut got = vec![0.0; source.len()];
        encoding.dequantise(&data, &mut got);
        assert_eq!(got, want, "{encoding:?}");
    }
}

/// A quantiser does not use every pattern of bits: here they are random but for the scales and minima, which lie at `halves`.
#[test]
fn reads_every_pattern_of_bits_as_candle_does() {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u8
    };
    for (encoding, dtype, halves) in [
        (Encoding::Q4_0, GgmlDType::Q4_0, &[0][..]),
        (Encoding::Q4_1, GgmlDType::Q4_1, &[0, 2]),
        (Encoding::Q5_0, GgmlDType::Q5_0, &[0]),
        (Encoding::Q5_1, GgmlDType::Q5_1, &[0, 2]),
        (Encoding::Q8_0, GgmlDType::Q8_0, &[0]),
        (Encoding::Q2K, GgmlDType::Q2K, &[80, 82]),
        (Encoding::Q3K, GgmlDType::Q3K, &[108]),
        (Encoding::Q4K, GgmlDType::Q4K, &[0, 2]),
        (Encoding::Q5K, GgmlDType::Q5K, &[0, 2]),
        (Encoding::Q6K, GgmlDType::Q6K, &[208]),
    ] {
        let (len, bytes) = encoding.block();
        let mut data: Vec<u8> = (0..20 * bytes).map(|_| byte()).collect();
        for (i, block) in data.chunks_exact_mut(bytes).enumerate() {
            for (at, half) in halves.iter().zip([0.37, -0.011]) {
                block[*at..at + 2].copy_from_slice(&f16::from_f32(half * (i as f32 - 7.5)).to_le_bytes());
            }
        }
        let q = qtensor_from_ggml(dtype, &data, vec![20, len], &Device::Cpu).unwrap();
        let want: Vec<f32> = q.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let mut got = vec![0.0; want.len()];
        encoding.dequantise(&data, &mut got);
        assert_eq!(got, want, "{encoding:?}");
    }
}

#[test]
fn codebooks_by_hand() {
    let mut block = [0_u8; 18];
    block[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
    // Value 0 is entry 15, value 16 entry 1, value 3 entry 8; all others entry 0.
    (block[2], block[5]) = (0x1f, 0x08);
    let mut values = [0.0; 32];
    Encoding::Iq4Nl.dequantise(&block, &mut values);
    assert_eq!((values[0], values[16], values[3], values[31]), (56.5, -52.0, 0.5, -63.5));

    let mut block = [0_u8; 136];
    block[..2].copy_from_slice(&f16::from_f32(0.25).to_le_bytes());
    // Block 0 has the factor 32 + 1 = 0b10_0001, block 7 has 0b01_1110 = 30; all others 0.
    block[2..4].copy_from_slice(&(0b10_u16 | 0b01 << 14).to_le_bytes());
    (block[4], block[7]) = (0x01, 0xe0);
    (block[8], block[8 + 112]) = (0x0f, 0xf0);
    let mut values = [0.0; 256];
    Encoding::Iq4Xs.dequantise(&block, &mut values);
    assert_eq!((values[0], values[1], values[16]), (0.25 * 113.0, 0.25 * -127.0, 0.25 * -127.0));
    assert_eq!((values[224], values[240], values[32]), (0.5 * 127.0, -0.5 * 113.0, 8.0 * 127.0));
}

#[test]
fn numbers_and_sizes() {
    assert_eq!(Encoding::from_gguf(12), Some(Encoding::Q4K));
    assert_eq!(Encoding::from_gguf(16), None, "IQ2_XXS is not read");
    assert_eq!((Encoding::Q6K.row_bytes(512), Encoding::Q6K.row_bytes(300)), (Some(420), None));
}
