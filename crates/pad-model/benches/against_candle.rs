//! Decoding and prefill against candle's own `quantized_llama` on the same file, in pairs within one run.
//!
//! ```sh
//! cargo bench -p pad-model --bench against_candle -- MODEL.gguf [threads]
//! ```
//!
//! Prints medians of tokens/s and the median of the pairwise ratios: the machine's speed drifts, a pair's ratio does not.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use pad_model::{BLOCK, Dtype, KvDtype, LaneChunk, Model, ModelOptions, Pool, Wanted};

const PROMPT: usize = 64;
const TOKENS: usize = 64;
const PAIRS: usize = 7;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds for the prompt, and for `TOKENS` tokens after it, `lanes` lanes side by side.
fn ours(model: &Model, lanes: usize) -> (f64, f64) {
    let per_lane = (PROMPT + TOKENS).div_ceil(BLOCK) as u32;
    let cache = model.kv_cache(lanes * per_lane as usize).expect("a cache");
    let blocks: Vec<Vec<u32>> =
        (0..lanes as u32).map(|lane| (lane * per_lane..(lane + 1) * per_lane).collect()).collect();
    let mut next: Vec<Vec<u32>> =
        (0..lanes as u32).map(|lane| (0..PROMPT as u32).map(|i| 100 + lane * 7 + i).collect()).collect();
    let mut times = (0.0, 0.0);
    for step in 0..=TOKENS {
        let begun = Instant::now();
        let start = if step == 0 { 0 } else { PROMPT + step - 1 };
        let chunks: Vec<LaneChunk> =
            next.iter().zip(&blocks).map(|(tokens, blocks)| LaneChunk::new(tokens, start, blocks, 1)).collect();
        let hidden = model.forward(&chunks, &cache).expect("a forward");
        let best = model.logits(&hidden, &vec![Wanted::Best(10).alone(); lanes]).expect("logits");
        next = best.iter().map(|logits| vec![logits.ranked[0].token]).collect();
        let seconds = begun.elapsed().as_secs_f64();
        if step == 0 { times.0 = seconds } else { times.1 += seconds }
    }
    times
}

fn candle(model: &mut ModelWeights) -> (f64, f64) {
    let mut next: Vec<u32> = (0..PROMPT as u32).map(|i| 100 + i).collect();
    let mut times = (0.0, 0.0);
    for step in 0..=TOKENS {
        let begun = Instant::now();
        let start = if step == 0 { 0 } else { PROMPT + step - 1 };
        let input = Tensor::new(next.as_slice(), &Device::Cpu).and_then(|t| t.unsqueeze(0)).expect("tokens");
        let logits = model.forward(&input, start).and_then(|l| l.squeeze(0)).expect("logits");
        next = vec![logits.argmax(0).and_then(|t| t.to_scalar()).expect("a token")];
        let seconds = begun.elapsed().as_secs_f64();
        if step == 0 { times.0 = seconds } else { times.1 += seconds }
    }
    times
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(path) = arguments.first() else {
        // `cargo test --benches` runs this without arguments; there is nothing to measure then.
        println!("usage: cargo bench -p pad-model --bench against_candle -- MODEL.gguf [threads]");
        return;
    };
    let threads = arguments.get(1).and_then(|t| t.parse().ok()).unwrap_or(0);
    let pool = Arc::new(Pool::new(threads));
    let options =
        ModelOptions { dtype: Dtype::Auto, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::clone(&pool) };
    let model = Model::open(Path::new(path), &options).expect("our model");
    let mut file = std::fs::File::open(path).expect("the file");
    let content = Content::read(&mut file).expect("a GGUF header");
    let mut theirs = ModelWeights::from_gguf(content, &mut file, &Device::Cpu).expect("candle's model");
    println!("{} threads; prompt {PROMPT}, then {TOKENS} tokens; medians of {PAIRS} pairs", pool.threads());
    for lanes in [1, 2, 4, 8, 16, 32] {
        let (mut prefill, mut decode, mut reference, mut ratios) = (vec![], vec![], vec![], vec![]);
        for _ in 0..PAIRS {
            let (ours, candle) = (ours(&model, lanes), candle(&mut theirs));
            prefill.push((PROMPT * lanes) as f64 / ours.0);
            decode.push((TOKENS * lanes) as f64 / ours.1);
            reference.push(TOKENS as f64 / candle.1);
            ratios.push(lanes as f64 * candle.1 / ours.1);
        }
        println!(
            "lanes {lanes:2}: prefill {:7.0}, decode {:6.0} tokens/s; candle at batch 1 {:5.0}; ratio {:5.2}",
            median(prefill),
            median(decode),
            median(reference),
            median(ratios)
        );
    }
}
