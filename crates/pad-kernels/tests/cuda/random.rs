//! Numbers that look random and repeat.

use candle_core::{Device, Tensor};

pub struct Random(pub u64);

impl Random {
    /// On -1 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 2.0
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() * 0.5 + 0.5) * end as f32) as usize % end
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    /// The numbers from 0 to `count`, shuffled.
    pub fn shuffled(&mut self, count: usize) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..count as u32).collect();
        (1..count).rev().for_each(|i| numbers.swap(i, self.below(i + 1)));
        numbers
    }
}

pub fn tensor(values: &[f32], rows: usize) -> Tensor {
    Tensor::from_slice(values, (rows, values.len() / rows), &Device::Cpu).unwrap()
}

pub fn values(x: &Tensor) -> Vec<f32> {
    x.to_dtype(candle_core::DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}
