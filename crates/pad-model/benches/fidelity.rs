//! How far the fast arithmetic (`auto`, or `q4` for weights of 16 and 32 bits; keys and values `auto` or `q8`) is from single precision
//! (`f32`) on a model's own greedy answers. With `f32` for the fast one too, what remains is the error of keys and values.
//!
//! ```sh
//! cargo bench -p pad-model --bench fidelity -- MODEL.gguf PROMPTS.json [answer tokens] [prompts] [auto|q4|f32] [auto|q8]
//! ```
//!
//! `PROMPTS.json` is a list of strings, or of objects with a `prompt`. Each prompt is answered greedily in single precision; the
//! fast model is led along the same tokens. Printed are the share of positions where both rank the same token first, and the
//! Kullback-Leibler divergence of the fast from the exact distribution over the whole vocabulary.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use pad_model::{BLOCK, Dtype, GgufWeights, KvCache, KvDtype, LaneChunk, Model, ModelOptions, Pool};
use pad_text::{Chat, Message};
use serde_json::Value;

/// Prompts answered side by side.
const TOGETHER: usize = 25;

/// A model and the answers' keys and values.
struct Side {
    model: Model,
    cache: KvCache,
    blocks: Vec<Vec<u32>>,
}

impl Side {
    fn open(path: &Path, (dtype, kv_dtype): (Dtype, KvDtype), pool: &Arc<Pool>, positions: usize) -> Self {
        let options = ModelOptions { dtype, kv_dtype, device: Device::Cpu, pool: Arc::clone(pool) };
        let model = Model::open(path, &options).expect("the model");
        let per_lane = positions.div_ceil(BLOCK) as u32;
        let cache = model.kv_cache(TOGETHER * per_lane as usize).expect("a cache");
        let blocks = (0..TOGETHER as u32).map(|lane| (lane * per_lane..(lane + 1) * per_lane).collect()).collect();
        Self { model, cache, blocks }
    }

    /// Log-probabilities over the vocabulary after each lane's new tokens.
    fn step(&self, lanes: &[(usize, Vec<u32>)]) -> Vec<Vec<f64>> {
        let chunks: Vec<LaneChunk> = lanes
            .iter()
            .zip(&self.blocks)
            .map(|((start, tokens), blocks)| LaneChunk::new(tokens, *start, blocks, 1))
            .collect();
        let hidden = self.model.forward(&chunks, &self.cache).expect("a forward");
        let logits: Vec<Vec<f32>> = self.model.all_logits(&hidden).and_then(|l| Ok(l.to_vec2()?)).expect("logits");
        logits.iter().map(|logits| log_softmax(logits)).collect()
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let mass: f64 = logits.iter().map(|l| (f64::from(*l) - max).exp()).sum();
    logits.iter().map(|l| f64::from(*l) - max - mass.ln()).collect()
}

fn first(logprobs: &[f64]) -> u32 {
    (0..logprobs.len()).max_by(|a, b| logprobs[*a].total_cmp(&logprobs[*b]).then(b.cmp(a))).unwrap_or(0) as u32
}

fn prompts(path: &str, count: usize) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("the prompts");
    let list: Vec<Value> = serde_json::from_str(&text).expect("a JSON list");
    let text = |v: &Value| v.as_str().or(v["prompt"].as_str()).map(str::to_owned);
    list.iter().filter_map(text).take(count).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [path, prompts_path, rest @ ..] = arguments.as_slice() else {
        println!(
            "usage: cargo bench -p pad-model --bench fidelity -- MODEL.gguf PROMPTS.json [answer tokens] [prompts] [auto|q4|f32] [auto|q8]"
        );
        return;
    };
    let number = |at: usize, usual: usize| rest.get(at).and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (answer, count) = (number(0, 64), number(1, 200));
    let path = Path::new(path);
    let weights = GgufWeights::open(path).expect("a GGUF file");
    let chat = Chat::from_gguf(weights.content()).expect("a chat template");
    let prompts: Vec<Vec<u32>> = prompts(prompts_path, count)
        .iter()
        .map(|prompt| chat.encode(&[Message::new("user", prompt)]).expect("a prompt"))
        .filter(|tokens| tokens.len() <= 512)
        .collect();
    let pool = Arc::new(Pool::new(0));
    let dtype = match rest.get(2).map(String::as_str) {
        Some("q4") => Dtype::Q4,
        Some("f32") => Dtype::F32,
        _ => Dtype::Auto,
    };
    let kv_dtype = if rest.get(3).is_some_and(|dtype| dtype == "q8") { KvDtype::Q8 } else { KvDtype::Auto };
    let sides = [(Dtype::F32, KvDtype::Auto), (dtype, kv_dtype)];
    let [exact, fast] = sides.map(|kept| Side::open(path, kept, &pool, 512 + answer));
    let (mut positions, mut equal, mut divergence, mut worst) = (0_usize, 0_usize, 0.0, 0.0_f64);
    for group in prompts.chunks(TOGETHER) {
        let mut lanes: Vec<(usize, Vec<u32>)> = group.iter().map(|tokens| (0, tokens.clone())).collect();
        let mut running = vec![true; lanes.len()];
        for _ in 0..answer {
            let (want, got) = (exact.step(&lanes), fast.step(&lanes));
            for (i, (start, tokens)) in lanes.iter_mut().enumerate() {
                let next = first(&want[i]);
                if running[i] {
                    positions += 1;
                    equal += usize::from(first(&got[i]) == next);
                    let kl: f64 = want[i].iter().zip(&got[i]).map(|(p, q)| p.exp() * (p - q)).sum();
                    divergence += kl;
                    worst = worst.max(kl);
                }
                running[i] &= !chat.end_tokens().contains(&next);
                *start += tokens.len();
                *tokens = vec![next];
            }
            if !running.contains(&true) {
                break;
            }
        }
        println!(
            "{positions:6} tokens: {:.2} % equal, KL {:.5} on average, {worst:.4} at worst",
            100.0 * equal as f64 / positions as f64,
            divergence / positions as f64
        );
    }
}
