//! Attention alone: milliseconds of one layer for a row that looks back on a context, and for the rows of a prompt's chunk.
//!
//! ```text
//! cargo bench -p pad-kernels --bench attention -- [THREADS] [HEADS KV_HEADS HEAD_DIM]
//! ```

use std::time::Instant;

use candle_core::{Device, Tensor};
use pad_kernels::{
    AttentionRule, BLOCK, BatchView, KvFormat, KvLayout, Pool, Rope, RopeScaling, Segment, attention, write_kv,
};

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let threads = numbers.first().copied().unwrap_or(0);
    let [heads, kv_heads, head_dim] = numbers.get(1..4).map_or([9, 3, 64], |shape| [shape[0], shape[1], shape[2]]);
    let layout = KvLayout { heads, kv_heads, head_dim };
    println!("{layout:?}, milliseconds of one layer (median of 9)");
    println!("{:>8} {:>8} {:>10} {:>12}", "rows", "context", "ms", "GB/s read");
    for (rows, context) in [(1, 64), (1, 512), (1, 4096), (1, 7900), (128, 128), (128, 512), (128, 4096), (128, 7900)] {
        let milliseconds = measure(layout, threads, rows, context);
        let read = rows * context * KvFormat::F16.block_cells(layout) / BLOCK * 2;
        println!("{rows:>8} {context:>8} {milliseconds:>10.4} {:>12.1}", read as f64 / milliseconds / 1e6);
    }
}

/// The last `rows` rows of a context, on caches that take turns so that none stays in the processor's.
fn measure(layout: KvLayout, threads: usize, rows: usize, context: usize) -> f64 {
    let (pool, rule) = (Pool::new(threads), AttentionRule::usual(layout.head_dim));
    let ropes = [Rope::new(layout.head_dim, 10_000.0, &RopeScaling::None)];
    let blocks = context.div_ceil(BLOCK);
    let of = |start, rows| {
        let segment = Segment { start, rows, blocks: (0..blocks as u32).collect() };
        BatchView::new(vec![segment], &ropes).expect("blocks for the context")
    };
    let random = |rows| Tensor::randn(0.0_f32, 1.0, (rows, layout.qkv_width()), &Device::Cpu).expect("numbers");
    let caches: Vec<Tensor> = (0..if rows == 1 { 30 } else { 3 })
        .map(|_| {
            let cells = KvFormat::F16.block_cells(layout);
            let zeros = vec![half::f16::ZERO; blocks * cells];
            let cache = Tensor::from_vec(zeros, (blocks, cells), &Device::Cpu).expect("memory");
            write_kv(&cache, &random(context), layout, &rule, &of(0, context), &pool).expect("shapes agree");
            cache
        })
        .collect();
    let (qkv, view) = (random(rows), of(context - rows, rows));
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let begun = Instant::now();
            for cache in &caches {
                attention(&qkv, cache, layout, &rule, &view, &pool).expect("shapes agree");
            }
            begun.elapsed().as_secs_f64() * 1e3 / caches.len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
