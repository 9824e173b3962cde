//! All linears of SmolLM2-135M, one after another as in a step, with random weights: rows per second by instruction set and number
//! of rows, and the share of the memory and arithmetic that this means.
//!
//! ```sh
//! cargo bench -p pad-kernels --bench linears -- [threads] [rows,rows,..] [instructions,..]
//! ```

use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use half::f16;
use pad_kernels::{Arena, Format, Input, Isa, Linear, PackedWeights, Pool, TILE, Unit, Wanted};

/// Outputs and inputs of a layer's four matrices.
const LAYER: [(usize, usize); 4] = [(960, 576), (576, 576), (3072, 576), (576, 1536)];
const LAYERS: usize = 30;
const UNEMBEDDING: (usize, usize) = (49152, 576);
const ROUNDS: usize = 15;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn weights(arena: &mut Arena, format: Format, shape: (usize, usize), random: &mut Random) -> PackedWeights {
    let formats = vec![format; shape.0.div_ceil(TILE)];
    let seed = random.next();
    let filled = PackedWeights::fill(arena, &Pool::new(1), &formats, shape, &|tile, rows| {
        let mut random = Random(seed + tile as u64);
        for lane in 0..TILE {
            for unit in 0..shape.1 / (32 * format.unit_blocks()) {
                let scale = f16::from_f32(if format.is_staged() { 0.0001 } else { 0.004 });
                let mut values = Unit { scale, min: f16::from_f32(-8.0 * scale.to_f32()), ..Unit::ZERO };
                values.factors = [[32; 2]; 8];
                values.q.as_flattened_mut().iter_mut().for_each(|q| *q = (random.next() % (1 << format.bits())) as u8);
                rows.set_unit(lane, unit, &values);
            }
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(packed) = filled;
    packed
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let threads = arguments.first().and_then(|t| t.parse().ok()).unwrap_or(0);
    let rows: Vec<usize> = arguments.get(1).map_or_else(
        || vec![1, 2, 3, 4, 8, 16, 32, 512],
        |list| list.split(',').filter_map(|rows| rows.parse().ok()).collect(),
    );
    let chosen: Vec<Isa> = match arguments.get(2) {
        None => Isa::available().to_vec(),
        Some(names) => Isa::available()
            .iter()
            .copied()
            .filter(|isa| names.split(',').any(|n| format!("{isa:?}").eq_ignore_ascii_case(n)))
            .collect(),
    };
    if cfg!(debug_assertions) {
        println!("only a release build is worth measuring: cargo bench -p pad-kernels --bench linears");
        return;
    }
    pad_kernels::keep_freed_memory();
    let (mut random, mut arena) = (Random(1), Arena::default());
    let mut matrices: Vec<Arc<PackedWeights>> = Vec::new();
    for _ in 0..LAYERS {
        matrices.extend(LAYER.map(|shape| Arc::new(weights(&mut arena, Format::Q4_1, shape, &mut random))));
    }
    matrices.push(Arc::new(weights(&mut arena, Format::Q8_0, UNEMBEDDING, &mut random)));
    let bytes: usize = matrices.iter().map(|m| m.bytes()).sum();
    let products: usize = matrices.iter().map(|m| m.outputs() * m.inputs()).sum();
    println!(
        "{:.1} MB of weights, {:.1} M products a row; best and median of {ROUNDS}",
        bytes as f64 / 1e6,
        products as f64 / 1e6
    );
    for rows in rows {
        for &isa in &chosen {
            let pool = Arc::new(Pool::with(threads, isa));
            let linears: Vec<Linear> = matrices
                .iter()
                .map(|weights| Linear::Packed { weights: Arc::clone(weights), bias: None, pool: Arc::clone(&pool) })
                .collect();
            let input = |width: usize| {
                let values: Vec<f32> = (0..rows * width).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
                Tensor::from_vec(values, (rows, width), &Device::Cpu).expect("a tensor")
            };
            let inputs = [input(576), input(1536)];
            let wanted = vec![Wanted::Best(10).alone(); rows];
            let mut times: Vec<f64> = (0..ROUNDS.min(4000 / rows).max(3))
                .map(|_| {
                    let begun = Instant::now();
                    for (linear, weights) in linears.iter().zip(&matrices) {
                        let x = &inputs[usize::from(weights.inputs() == 1536)];
                        if linear.outputs() == UNEMBEDDING.0 {
                            linear.logits(x, None, &wanted).expect("logits");
                        } else {
                            linear.forward(x, Input::Plain, None).expect("a product");
                        }
                    }
                    begun.elapsed().as_secs_f64()
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let (best, median) = (times[0], times[times.len() / 2]);
            println!(
                "{rows:4} rows, {:9} {:8.2} ms best, {:8.2} ms median: {:6.0} rows/s, {:5.1} GB/s, {:5.0} GOP/s",
                format!("{isa:?}:"),
                best * 1e3,
                median * 1e3,
                rows as f64 / median,
                bytes as f64 / median / 1e9,
                2.0 * (rows * products) as f64 / median / 1e9
            );
        }
    }
}
