//! Blocks that no layer looks back on any more go back to the pool while a sequence runs, and no token changes for that.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use pad_decode::Rule;
use pad_engine::{Engine, EngineConfig, GenerateRequest, LoadedWeights, LockstepRunner};
use pad_model::{Dtype, KvDtype, LaneChunk, Model, ModelOptions, Pool, Wanted};

use crate::fake::{Fake, alone_in, collect, engine, request, settled};

const WINDOW: usize = 20;

/// Requests of many lengths, with one reward lane or none.
fn mixture() -> Vec<GenerateRequest> {
    (0..12_u32)
        .map(|i| {
            let prompt: Vec<u32> = (0..3 + i * 5).map(|t| (t * 31 + i / 3) % 500).collect();
            let mut request = request(&prompt, [&[][..], &[1.0]][i as usize % 2], 50 + i as usize);
            request.rule = Rule { temperature: (i % 3) as f32 * 0.5, top_p: 0.9, ..Rule::default() };
            request.seed = u64::from(i);
            request
        })
        .collect()
}

#[test]
fn a_long_answer_holds_the_blocks_of_its_window_and_its_beginning_is_found_again() {
    let (runner, gate) = Fake::gated(16);
    let engine = engine(runner.with_window(WINDOW), EngineConfig::default());
    let prompt: Vec<u32> = (0..40).collect();
    let first = engine.submit(request(&prompt, &[], 100)).unwrap().remove(0);
    for step in 0..100 {
        gate.send(()).unwrap();
        while engine.status().steps <= step {
            std::thread::yield_now();
        }
        let used = engine.status().kv_blocks_used;
        assert!(used <= (WINDOW as u64).div_ceil(16) + 1, "step {step}: {used} blocks");
    }
    drop((0..50).map(|_| gate.send(())).collect::<Vec<_>>());
    let answer = collect(first).0;
    assert_eq!(answer.len(), 100);
    assert_eq!((settled(&engine).kv_blocks_used, settled(&engine).kv_blocks_cached), (0, 139 / 16));
    let again = engine.submit(request(&[&prompt[..], &answer].concat(), &[], 2)).unwrap().remove(0);
    assert_eq!(collect(again).1.unwrap().cached_tokens, 139 / 16 * 16);
}

#[test]
fn the_same_tokens_alone_and_in_a_cache_that_is_too_small_for_all() {
    let (requests, config) = (mixture(), EngineConfig::default());
    let windowed = |blocks| Fake::new(blocks).with_window(WINDOW);
    let want: Vec<Vec<u32>> = requests.iter().map(|request| alone_in(windowed(64), request)).collect();
    assert_ne!(want[11], alone_in(Fake::new(64), &requests[11]), "the fake looks back on its window only");
    let together = |runner: Fake, config| {
        let engine = engine(runner, config);
        let choices: Vec<_> = requests.iter().map(|r| engine.submit(r.clone()).unwrap().remove(0)).collect();
        let tokens: Vec<Vec<u32>> = choices.into_iter().map(|choice| collect(choice).0).collect();
        (tokens, settled(&engine))
    };
    for (blocks, step_rows) in [(400, config.step_rows), (400, 7), (30, config.step_rows), (12, 50)] {
        let (tokens, status) = together(windowed(blocks), EngineConfig { step_rows, ..config });
        assert_eq!(tokens, want, "{blocks} blocks, {step_rows} rows");
        assert_eq!(status.kv_blocks_used, 0);
    }
    let preempted = |runner| together(runner, config).1.preempted;
    let (without, with) = (preempted(Fake::new(40)), preempted(windowed(40)));
    assert!(with < without, "{with} preempted, {without} without windows");
}

#[test]
fn a_model_with_windows_chooses_the_same_tokens_as_over_a_whole_cache() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families/mistral-window");
    let options =
        ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    let model = Model::open(&folder, &options).unwrap();
    let greedy = |prompt: &[u32], count: usize| {
        let (mut tokens, all) = (prompt.to_vec(), Wanted::At((0..96).collect()));
        let (cache, blocks) = (model.kv_cache(8).unwrap(), (0..8).collect::<Vec<u32>>());
        for start in prompt.len() - 1..prompt.len() - 1 + count {
            let start = if start < prompt.len() { 0 } else { start };
            let hidden = model.forward(&[LaneChunk::new(&tokens[start..], start, &blocks, 1)], &cache).unwrap();
            let read = model.logits(&hidden, &[all.clone().alone()]).unwrap().remove(0);
            tokens.push(read.ranked.iter().max_by(|a, b| a.logit.total_cmp(&b.logit)).unwrap().token);
        }
        tokens.split_off(prompt.len())
    };
    let prompts: Vec<Vec<u32>> =
        (0..6_u32).map(|i| (0..10 + 7 * i).map(|t| (t * 31 + 17 * i + 3) % 96).collect()).collect();
    let want: Vec<Vec<u32>> = prompts.iter().map(|prompt| greedy(prompt, 60)).collect();
    // Without giving back, six of them take some thirty blocks at their ends.
    let weights = LoadedWeights::new(Model::open(&folder, &options).unwrap(), vec![], 14).unwrap();
    let engine = Engine::start(LockstepRunner::new(vec![weights]).unwrap(), EngineConfig::default()).unwrap();
    let choices: Vec<_> =
        prompts.iter().map(|prompt| engine.submit(request(prompt, &[], 60)).unwrap().remove(0)).collect();
    for (choice, want) in choices.into_iter().zip(want) {
        assert_eq!(collect(choice).0, want);
    }
    assert_eq!(settled(&engine).preempted, 0, "all run at once");
}
