//! Tokens do not depend on what else runs, on chunks, on preemption, or on the prefix cache.

use std::sync::Arc;

use pad_decode::{Penalties, Rule};
use pad_engine::{
    Adaptation, AdapterId, EngineConfig, FinishReason, GenerateRequest, LaneSpec, Strength, Trunk, WeightsId,
};

use crate::fake::{Fake, alone, collect, engine, request, settled};

/// Requests of many lengths and preferences.
fn mixture() -> Vec<GenerateRequest> {
    (0..16_u32)
        .map(|i| {
            let prompt: Vec<u32> = (0..3 + i * 5).map(|t| (t * 31 + i / 3) % 500).collect();
            let weights = [&[][..], &[1.0], &[0.5, -1.5], &[2.0, 0.0, 1.0]][i as usize % 4];
            let mut request = request(&prompt, weights, 20 + i as usize);
            request.rule = Rule { temperature: (i % 3) as f32 * 0.5, top_p: 0.9, ..Rule::default() };
            if i % 5 == 0 {
                let (bias, penalty) = ([(i, 1.9), (90 + i, 2.1)].into(), 0.1 * i as f32);
                let (frequency, presence, repetition) = (penalty, penalty - 0.5, 1.0 + penalty);
                request.rule.penalties = Penalties { bias, repetition, frequency, presence };
            }
            request.seed = u64::from(i);
            request
        })
        .collect()
}

fn together(requests: &[GenerateRequest], runner: Fake, config: EngineConfig) -> (Vec<Vec<u32>>, pad_engine::Status) {
    let engine = engine(runner, config);
    let choices: Vec<_> = requests.iter().map(|r| engine.submit(r.clone()).unwrap().remove(0)).collect();
    let tokens = choices
        .into_iter()
        .map(|choice| {
            let (tokens, finish) = collect(choice);
            assert_eq!(finish.unwrap().reason, FinishReason::Length);
            tokens
        })
        .collect();
    (tokens, settled(&engine))
}

#[test]
fn the_same_alone_batched_chunked_and_preempted() {
    let requests = mixture();
    let want: Vec<Vec<u32>> = requests.iter().map(alone).collect();
    assert!(requests.iter().zip(&want).all(|(request, tokens)| tokens.len() == request.max_tokens));
    let config = EngineConfig::default();
    let (batched, status) = together(&requests, Fake::new(400), config);
    assert_eq!(batched, want);
    assert_eq!((status.preempted, status.kv_blocks_used), (0, 0));
    for step_rows in [1, 7, 50] {
        let (chunked, _) = together(&requests, Fake::new(400), EngineConfig { step_rows, ..config });
        assert_eq!(chunked, want, "chunks of {step_rows}");
    }
    // Room for about three of them: sequences wait, are preempted and start again.
    let (squeezed, status) = together(&requests, Fake::new(30), config);
    assert_eq!(squeezed, want);
    assert!(status.preempted > 0, "{status:?}");
    assert_eq!(status.kv_blocks_used, 0);
}

#[test]
fn a_second_request_finds_the_first_ones_prompt() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let request = request(&(0..50).collect::<Vec<u32>>(), &[1.0], 4);
    let run = || collect(engine.submit(request.clone()).unwrap().remove(0));
    let (first, second) = (run(), run());
    assert_eq!(first.0, second.0);
    assert_eq!(first.1.unwrap().cached_tokens, 0);
    assert_eq!(second.1.unwrap().cached_tokens, 48);
    let status = settled(&engine);
    // 48 of the 50 base tokens and 48 of the 53 reward tokens.
    assert_eq!(status.tokens_cached, 96);
    assert!(status.kv_blocks_cached > 0 && status.kv_blocks_used == 0);
}

#[test]
fn choices_share_one_prefill_and_differ() {
    let runner = Fake::new(64);
    let seen = Arc::clone(&runner.seen);
    let engine = engine(runner, EngineConfig::default());
    let mut request = request(&(0..64).collect::<Vec<u32>>(), &[], 12);
    (request.choices, request.rule.temperature, request.seed) = (3, 1.0, 5);
    let (one, many): (Vec<_>, Vec<_>) = {
        let mut single = request.clone();
        single.choices = 1;
        let one = collect(engine.submit(single).unwrap().remove(0)).0;
        (one, engine.submit(request).unwrap().into_iter().map(|choice| collect(choice).0).collect())
    };
    assert_eq!(many[0], one, "the first choice is what a single one would be");
    assert!(many[1] != many[0] && many[2] != many[1]);
    let prompt_rows: usize = seen.lock().unwrap().iter().flat_map(|step| &step.rows).filter(|rows| **rows > 1).sum();
    assert!(prompt_rows <= 64 + 3 * 16, "{prompt_rows} rows of prompts for 64 tokens");
}

#[test]
fn zero_weights_and_beta_zero_run_no_reward_lane() {
    let prompt = [5, 6, 7];
    let plain = alone(&request(&prompt, &[], 10));
    let mut zero_beta = request(&prompt, &[1.0], 10);
    zero_beta.rule.beta = 0.0;
    for request in [request(&prompt, &[0.0, 0.0], 10), zero_beta] {
        let runner = Fake::new(8);
        let seen = Arc::clone(&runner.seen);
        let engine = engine(runner, EngineConfig::default());
        assert_eq!(collect(engine.submit(request).unwrap().remove(0)).0, plain);
        assert!(seen.lock().unwrap().iter().all(|step| step.rows.len() == 1));
        assert_eq!(settled(&engine).reward_rows, 0);
    }
    assert_ne!(alone(&request(&prompt, &[2.0], 10)), plain, "the fake's rewards do steer");
}

#[test]
fn running_streams_keep_their_pace_beside_a_long_prompt() {
    let (runner, gate) = Fake::gated(64);
    let seen = Arc::clone(&runner.seen);
    let engine = engine(runner, EngineConfig { step_rows: 10, ..EngineConfig::default() });
    let short = engine.submit(request(&[1, 2, 3], &[], 30)).unwrap().remove(0);
    gate.send(()).unwrap();
    let long = engine.submit(request(&(0..100).collect::<Vec<u32>>(), &[], 1)).unwrap().remove(0);
    drop((0..100).map(|_| gate.send(())).collect::<Vec<_>>());
    let (tokens, _) = collect(short);
    assert_eq!((tokens.len(), collect(long).0.len()), (30, 1));
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|step| step.rows.iter().sum::<usize>() <= 10), "{seen:?}");
    // Every step of the long prompt's prefill also decodes the short one.
    assert!(seen.iter().filter(|step| step.rows.len() == 2).count() >= 10);
    assert!(seen.iter().filter(|step| step.rows.len() == 2).all(|step| step.decodes >= 1));
}

#[test]
fn a_prompt_is_read_beside_streams_that_fill_the_step() {
    let (runner, gate) = Fake::gated(64);
    let seen = Arc::clone(&runner.seen);
    let engine = engine(runner, EngineConfig { step_rows: 8, ..EngineConfig::default() });
    let streams: Vec<_> = (0..10).map(|i| engine.submit(request(&[i], &[], 60)).unwrap().remove(0)).collect();
    (0..12).for_each(|_| gate.send(()).unwrap());
    while engine.status().tokens_generated < 10 {
        std::thread::yield_now();
    }
    let before = seen.lock().unwrap().len();
    let late = engine.submit(request(&(0..40).collect::<Vec<u32>>(), &[], 1)).unwrap().remove(0);
    drop((0..200).map(|_| gate.send(())).collect::<Vec<_>>());
    assert_eq!(collect(late).0.len(), 1);
    streams.into_iter().for_each(|choice| assert_eq!(collect(choice).0.len(), 60));
    let seen = seen.lock().unwrap();
    let beside = seen[before..].iter().filter(|step| step.rows.len() > 10);
    // Two rows a step beside ten streams: forty rows take twenty steps, and not forty.
    let rows: Vec<usize> = beside.map(|step| step.rows.iter().sum::<usize>() - 10).collect();
    assert!(rows.len() <= 21 && rows.iter().all(|rows| *rows >= 1), "{rows:?}");
}

/// A lane that branches off takes the same rows as the base lane, also where the cache is so small that one of them evicts the other's.
#[test]
fn a_lane_that_branches_off_stays_beside_the_base_lane_in_a_small_cache() {
    let engine = engine(Fake::new(8), EngineConfig::default());
    let branching = |prompt: &[u32]| {
        let mut request = request(prompt, &[1.0], 1);
        let adapter = Some(Adaptation { adapter: AdapterId(0), strength: Strength::ONE, trunk: Trunk::Base });
        request.lanes[1] = LaneSpec { adapter, weights: WeightsId::BASE, ..request.lanes[1].clone() };
        request.lanes[1].prompt = Arc::clone(&request.lanes[0].prompt);
        request
    };
    let long: Vec<u32> = (0..33).collect();
    let other: Vec<u32> = (100..164).collect();
    let half_known: Vec<u32> = (0..32).chain(200..231).collect();
    for request in [branching(&long), request(&other, &[], 1), branching(&half_known)] {
        let want = alone(&request);
        let (tokens, finish) = collect(engine.submit(request).unwrap().remove(0));
        assert_eq!((tokens, finish.map(|_| ())), (want, Ok(())));
    }
}

#[test]
fn a_request_that_does_not_fit_yet_evicts_nothing() {
    let (runner, gate) = Fake::gated(12);
    let engine = engine(runner, EngineConfig::default());
    let known = request(&(0..64).collect::<Vec<u32>>(), &[], 1);
    (0..4).for_each(|_| gate.send(()).unwrap());
    collect(engine.submit(known).unwrap().remove(0)).1.unwrap();
    let running = engine.submit(request(&(100..200).collect::<Vec<u32>>(), &[], 90)).unwrap().remove(0);
    (0..6).for_each(|_| gate.send(()).unwrap());
    while engine.status().tokens_generated < 5 {
        std::thread::yield_now();
    }
    let cached = engine.status().kv_blocks_cached;
    // Eight of the twelve blocks, of which seven are held.
    let waiting = engine.submit(request(&(300..420).collect::<Vec<u32>>(), &[], 1)).unwrap().remove(0);
    let generated = engine.status().tokens_generated;
    (0..2).for_each(|_| gate.send(()).unwrap());
    while engine.status().tokens_generated < generated + 2 {
        std::thread::yield_now();
    }
    assert_eq!(
        (engine.status().waiting, engine.status().kv_blocks_cached),
        (1, cached),
        "four blocks of the first prompt"
    );
    drop((0..200).map(|_| gate.send(())).collect::<Vec<_>>());
    for choice in [running, waiting] {
        collect(choice).1.unwrap();
    }
}
