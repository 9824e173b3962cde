//! PAD with a reward model in the released form, against the golden decisions of an independent implementation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use pad_decode::{CandidateSource, Decision, Reference, Rule, Term};
use pad_engine::{
    Engine, EngineConfig, GenerateRequest, HeadId, LaneReadout, LaneSpec, LoadedWeights, LockstepRunner, Tenant,
    WeightsId,
};
use pad_model::{Dtype, KvDtype, Model, ModelOptions, Pool, ValueHead};

use crate::fake::decisions;

const TOLERANCE: f32 = 1e-3;

#[derive(serde::Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    prompt: Vec<u32>,
    beta: f32,
    top_k: usize,
    steps: Vec<Step>,
}

#[derive(serde::Deserialize)]
struct Step {
    candidates: Vec<u32>,
    base_logprob: Vec<f32>,
    reward: Vec<f32>,
    score: Vec<f32>,
    token: u32,
}

fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

fn start(step_rows: usize) -> Engine {
    let pool = Arc::new(Pool::new(2));
    let options =
        ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::clone(&pool) };
    let open = |name: &str| Model::open(&family(name), &options).unwrap();
    let (base, reward) = (open("llama"), open("pad-checkpoint"));
    let head = ValueHead::open(&family("pad-checkpoint"), 32, &Device::Cpu, &pool).unwrap();
    let weights =
        vec![LoadedWeights::new(base, vec![], 64).unwrap(), LoadedWeights::new(reward, vec![head], 64).unwrap()];
    let config = EngineConfig { step_rows, ..EngineConfig::default() };
    Engine::start(LockstepRunner::new(weights).unwrap(), config).unwrap()
}

fn request(case: &Case) -> GenerateRequest {
    let prompt: Arc<[u32]> = case.prompt.as_slice().into();
    let reward = LaneSpec {
        weights: WeightsId(1),
        adapter: None,
        readouts: vec![LaneReadout::Head(HeadId(0))],
        prompt: Arc::clone(&prompt),
    };
    GenerateRequest {
        lanes: vec![LaneSpec::base(prompt), reward],
        terms: vec![Term { weight: 1.0, readout: 0, reference: Reference::Base }],
        rule: Rule { beta: case.beta, ..Rule::default() },
        top_k: case.top_k,
        source: CandidateSource::Base,
        seed: 0,
        choices: 1,
        max_tokens: case.steps.len(),
        end_tokens: Arc::new([]),
        grammar: None,
        tenant: Tenant::default(),
    }
}

/// Sorted by token: equal logits may be ranked either way.
fn by_token(tokens: &[u32], values: &[f32]) -> Vec<(u32, f32)> {
    let mut pairs: Vec<(u32, f32)> = tokens.iter().copied().zip(values.iter().copied()).collect();
    pairs.sort_by_key(|(token, _)| *token);
    pairs
}

fn check(case: &Case, got: &[Decision]) {
    assert_eq!(got.len(), case.steps.len());
    for (at, (got, want)) in got.iter().zip(&case.steps).enumerate() {
        let place = format!("prompt of {}, beta {}, step {at}", case.prompt.len(), case.beta);
        let mut columns = vec![(&got.base_logprob, &want.base_logprob), (&got.score, &want.score)];
        if case.beta > 0.0 {
            columns.push((&got.reward, &want.reward));
        }
        for (got_values, want_values) in columns {
            let (got, want) = (by_token(&got.tokens, got_values), by_token(&want.candidates, want_values));
            for ((a, x), (b, y)) in got.iter().zip(&want) {
                assert!(a == b && (x - y).abs() < TOLERANCE, "{place}: {a} {x} against {b} {y}");
            }
        }
        // No case of the golden file is closer than the tolerance; a case that were could go on differently.
        assert_eq!(got.token(), want.token, "{place}");
    }
}

#[test]
fn the_released_form_alone_batched_and_chunked() {
    let text = std::fs::read_to_string(family("pad-checkpoint").join("golden.json")).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let engine = start(512);
    for case in &golden.cases {
        check(case, &decisions(engine.submit(request(case)).unwrap().remove(0)));
    }
    for step_rows in [512, 7, 1] {
        let engine = start(step_rows);
        let choices: Vec<_> = golden.cases.iter().map(|case| engine.submit(request(case)).unwrap().remove(0)).collect();
        for (case, choice) in golden.cases.iter().zip(choices) {
            check(case, &decisions(choice));
        }
    }
}

#[test]
fn a_missing_value_head_is_an_error() {
    let error = ValueHead::open(&family("llama"), 32, &Device::Cpu, &Arc::new(Pool::new(1))).unwrap_err();
    assert!(error.to_string().contains("value_head.safetensors"), "{error}");
    let error = ValueHead::open(&family("pad-checkpoint"), 64, &Device::Cpu, &Arc::new(Pool::new(1))).unwrap_err();
    assert!(error.to_string().contains("[32, 32]"), "{error}");
}
