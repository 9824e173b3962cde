//! Families' golden logits by a model on the device: alone, ragged, in chunks.

use pad_device::{DeviceLanes, DeviceModel};
use pad_model::{Dtype, LaneChunk, LaneModel, StateRead, Wanted};

use crate::host::Host;
use crate::models::{BLOCKS, family, json, on_device};

const FAMILIES: [&str; 15] = [
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3-full",
    "llama",
    "llama-tied",
    "llama3-rope",
    "mistral-window",
    "olmo2",
    "phi3",
    "phi3-longrope",
    "qwen2",
    "qwen2-yarn",
    "qwen3",
    "smollm3",
];

/// The blocks of a lane, scattered.
fn blocks(lane: usize) -> Vec<u32> {
    (0..12).map(|i| ((i * 5 + lane) % 12 * 5 + lane) as u32).collect()
}

/// Tokens of a lane from a position on.
type Chunk<'a> = (usize, usize, &'a [u32]);

/// One lane after another; all together; all together in chunks of so many tokens.
fn plans(prompts: &[Vec<u32>], chunk: usize) -> [Vec<Vec<Chunk<'_>>>; 3] {
    let whole = || prompts.iter().enumerate().map(|(lane, prompt)| (lane, 0, &prompt[..]));
    let longest = prompts.iter().map(Vec::len).max().unwrap();
    let at = |start: usize| {
        let lanes = prompts.iter().enumerate().filter(move |(_, prompt)| prompt.len() > start);
        lanes.map(move |(lane, prompt)| (lane, start, &prompt[start..prompt.len().min(start + chunk)])).collect()
    };
    [whole().map(|chunk| vec![chunk]).collect(), vec![whole().collect()], (0..longest).step_by(chunk).map(at).collect()]
}

/// How far logits are off at most; each row's best must be the first of those found.
fn worst(lanes: &mut DeviceLanes, steps: &[Vec<Chunk<'_>>], golden: &[Vec<Vec<f32>>]) -> f32 {
    let mut worst = 0.0_f32;
    for step in steps {
        let tables: Vec<Vec<u32>> = step.iter().map(|(lane, ..)| blocks(*lane)).collect();
        let chunks: Vec<LaneChunk<'_>> = step
            .iter()
            .zip(&tables)
            .map(|((_, start, tokens), blocks)| LaneChunk::new(tokens, *start, blocks, tokens.len()))
            .collect();
        lanes.run(&chunks).unwrap();
        let rows = step.iter().flat_map(|(lane, start, tokens)| (*start..start + tokens.len()).map(|at| (*lane, at)));
        let rows: Vec<(usize, usize)> = rows.collect();
        let vocabulary = golden[0][0].len() as u32;
        let read = |state| {
            let all = Wanted::At((0..vocabulary).collect()).normalised();
            [
                StateRead { state, head: None, wanted: all },
                StateRead { state, head: None, wanted: Wanted::Best(3).alone() },
            ]
        };
        let read = lanes.logits(&(0..rows.len()).flat_map(read).collect::<Vec<_>>()).unwrap();
        for ((lane, at), read) in rows.into_iter().zip(read.chunks(2)) {
            let want = &golden[lane][at];
            let off = read[0].ranked.iter().zip(want).map(|(got, want)| (got.logit - want).abs());
            let sum = want.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln() as f32;
            let off = off.chain([(read[0].log_sum_exp.unwrap() - sum).abs()]);
            worst = off.fold(worst, |worst, off| if off <= worst || worst.is_nan() { worst } else { off });
            assert_eq!(read[1].ranked[0].logit, read[0].ranked.iter().map(|one| one.logit).fold(f32::MIN, f32::max));
        }
    }
    worst
}

#[test]
fn golden_logits_alone_together_and_in_chunks() {
    for (i, name) in FAMILIES.iter().enumerate() {
        let golden = json(name, "golden.json");
        let prompts: Vec<Vec<u32>> = serde_json::from_value(golden["prompts"].clone()).unwrap();
        let golden: Vec<Vec<Vec<f32>>> = serde_json::from_value(golden["logits"].clone()).unwrap();
        let mut exact = DeviceLanes::new(on_device(name, Dtype::F32, i), &[], BLOCKS).unwrap();
        // The kernels take their time on the host: every family in chunks, and alone or together.
        let plans = plans(&prompts, [1, 5, 17][i % 3]);
        for plan in [i % 2, 2] {
            let worst = worst(&mut exact, &plans[plan], &golden);
            assert!(worst < 1e-3, "{name}, plan {plan}: {worst}");
        }
        if i % 3 > 0 {
            continue;
        }
        // Weights in 16 bits, keys and values in half precision: the rounding of the weights themselves.
        let mut narrow = DeviceLanes::new(on_device(name, Dtype::Auto, i), &[], BLOCKS).unwrap();
        let worst = worst(&mut narrow, &self::plans(&prompts, 20)[2], &golden);
        assert!(worst < 0.8, "{name}: {worst}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (name, dtype, wanted) in [("mixtral", Dtype::F32, "a mixture of experts"), ("llama", Dtype::Q4, "to 4 bits")] {
        let mut weights = pad_model::open(&family(name)).unwrap();
        let error = DeviceModel::load(weights.as_mut(), Box::new(Host::new(0)), dtype, |_| {}).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains(name), "{error}");
    }
    let mut lanes = DeviceLanes::new(on_device("llama", Dtype::F32, 0), &[], 2).unwrap();
    for (tokens, start, block, wanted) in
        [(vec![96], 0, 0, "token 96"), (vec![1], 0, 2, "KV block 2"), (vec![1], 1 << 20, 0, "the context is")]
    {
        let error = lanes.run(&[LaneChunk::new(&tokens, start, &[block], 1)]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
