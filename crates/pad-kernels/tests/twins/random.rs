//! Numbers that look random, and how far results are apart.

use candle_core::{Device, Tensor};

/// A small generator, so that a failure repeats.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 2.0
    }

    pub fn tensor(&mut self, rows: usize, columns: usize) -> Tensor {
        let values: Vec<f32> = (0..rows * columns).map(|_| self.next()).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    }
}

pub fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, relative to the largest value.
pub fn distance(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let size = b.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    a.iter().zip(&b).fold(0.0_f32, |m, (x, y)| m.max((x - y).abs())) / size
}
