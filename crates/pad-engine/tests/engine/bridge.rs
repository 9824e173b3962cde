//! A guide with tokens of its own, against a plain program: every candidate's whole answer is run through the guide anew.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use pad_decode::{Bridge, CandidateSource, Crossing, Decision, Normalisation, Reference, Rule, Term};
use pad_engine::{
    Engine, EngineConfig, GenerateRequest, LaneReadout, LaneSpec, LoadedWeights, LockstepRunner, ScoreRequest, Tenant,
    WeightsId,
};
use pad_model::{BLOCK, Dtype, KvDtype, LaneChunk, Model, ModelOptions, Pool, Wanted};

use crate::fake::{collect, decisions};

/// Letters of the guide: its token 10 + a * 7 + b is the letters a and b, and 3 + a is the letter a.
const LETTERS: u32 = 7;

/// Tokens of the base model are up to five letters. Every fourth begins a word; a word's letters are taken by twos.
#[derive(Debug)]
struct Letters;

impl Letters {
    fn of(token: u32) -> Vec<u32> {
        (0..=token % 5).map(|place| (token / 3 + token * place) % LETTERS).collect()
    }

    fn begins(token: u32) -> bool {
        token % 4 == 1
    }

    fn spelled(word: &[u32]) -> impl Iterator<Item = u32> {
        word.chunks(2).map(|pair| match *pair {
            [a, b] => 10 + a * LETTERS + b,
            _ => 3 + pair[0],
        })
    }
}

impl Bridge for Letters {
    fn cross(&self, open: &[u32]) -> Crossing {
        let mut crossing = Crossing::default();
        let mut from = 0;
        while from < open.len() {
            let to = (from + 1..open.len()).find(|at| Self::begins(open[*at])).unwrap_or(open.len());
            (crossing.settled, crossing.closed) = (crossing.tokens.len(), from);
            let ends: Vec<usize> = (from..to).flat_map(|at| Self::of(open[at]).into_iter().map(move |_| at)).collect();
            let word: Vec<u32> = open[from..to].iter().flat_map(|token| Self::of(*token)).collect();
            crossing.ends_in.extend(ends.chunks(2).map(|pair| pair[pair.len() - 1]));
            crossing.tokens.extend(Self::spelled(&word));
            from = to;
        }
        crossing
    }
}

fn open(name: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name);
    let (device, pool) = (Device::Cpu, Arc::new(Pool::new(2)));
    let options = ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device, pool };
    Model::open(&folder, &options).unwrap()
}

fn start(step_rows: usize, blocks: usize) -> Engine {
    let guide = LoadedWeights::across(Arc::new(Letters), open("qwen2"), Vec::new(), blocks).unwrap();
    let weights = vec![LoadedWeights::new(open("llama"), Vec::new(), 64).unwrap(), guide];
    let config = EngineConfig { step_rows, ..EngineConfig::default() };
    Engine::start(LockstepRunner::new(weights).unwrap(), config).unwrap()
}

fn prompt(seed: u32, len: u32) -> Vec<u32> {
    (0..len).map(|at| 3 + (seed * 31 + at * at * 7) % 90).collect()
}

/// The lanes: base, and one or two guides with prompts of their own.
fn request(seed: u32, weights: &[f32], max_tokens: usize) -> GenerateRequest {
    let lane = |at: usize| LaneSpec {
        weights: WeightsId(1),
        adapter: None,
        readouts: vec![LaneReadout::Plain],
        prompt: prompt(seed + 7 + at as u32, 14 + seed % 9).into(),
    };
    let term = |(readout, &weight): (usize, &f32)| Term { weight, readout, reference: Reference::None };
    let lanes = std::iter::once(LaneSpec::base(prompt(seed, 9 + seed).into())).chain((0..weights.len()).map(lane));
    GenerateRequest {
        lanes: lanes.collect(),
        terms: weights.iter().enumerate().map(term).collect(),
        rule: Rule { normalisation: Normalisation::Vocabulary, ..Rule::default() },
        top_k: 12,
        source: CandidateSource::Base,
        seed: 0,
        choices: 1,
        max_tokens,
        end_tokens: Arc::new([]),
        tenant: Tenant::default(),
        grammar: None,
    }
}

/// The guide's log-probability of the tokens behind a prompt.
fn worth(guide: &Model, prompt: &[u32], answer: &[u32]) -> f32 {
    let tokens = [prompt, answer].concat();
    let blocks: Vec<u32> = (0..tokens.len().div_ceil(BLOCK) as u32).collect();
    let cache = guide.kv_cache(blocks.len()).unwrap();
    let hidden = guide.forward(&[LaneChunk::new(&tokens, 0, &blocks, answer.len() + 1)], &cache).unwrap();
    let wanted: Vec<_> = answer.iter().chain([&0]).map(|token| Wanted::At(vec![*token]).normalised()).collect();
    let logits = guide.logits(&hidden, &wanted).unwrap();
    logits[..answer.len()].iter().map(|at| at.ranked[0].logit - at.log_sum_exp.unwrap()).sum()
}

/// Every candidate of every step, against the plain program.
fn check(guide: &Model, request: &GenerateRequest, got: &[Decision]) {
    assert_eq!(got.len(), request.max_tokens);
    let mut answer = Vec::new();
    for decision in got {
        for (candidate, reward) in decision.tokens.iter().zip(&decision.reward) {
            let mut expected = 0.0;
            for (lane, term) in request.lanes[1..].iter().zip(&request.terms) {
                let worth = |answer: &[u32]| worth(guide, &lane.prompt, &Letters.cross(answer).tokens);
                expected += term.weight * (worth(&[&answer[..], &[*candidate]].concat()) - worth(&answer));
            }
            let place = format!("{answer:?} and {candidate}");
            assert!((reward - expected).abs() < 1e-3, "{place}: {reward}, expected {expected}");
        }
        answer.push(decision.token());
    }
}

#[test]
fn candidates_of_several_tokens_are_worth_all_of_them() {
    let guide = open("qwen2");
    let engine = start(512, 64);
    for (seed, weights) in [(0, &[1.0][..]), (3, &[-0.5]), (5, &[1.5, -1.0])] {
        let request = request(seed, weights, 20);
        check(&guide, &request, &decisions(engine.submit(request.clone()).unwrap().remove(0)));
    }
    let tokens: Vec<u32> = (0..20).collect();
    assert!(tokens.iter().any(|token| Letters::of(*token).len() > 3), "some need rows of their own");
}

/// In one batch, with prompts in chunks, and with a cache that is too small for all of them.
#[test]
fn batches_and_preemption_change_nothing() {
    let requests: Vec<_> = (0..5).map(|seed| request(seed, &[1.0, -0.5][..=seed as usize % 2], 24)).collect();
    let alone: Vec<Vec<u32>> =
        requests.iter().map(|request| collect(start(512, 64).submit(request.clone()).unwrap().remove(0)).0).collect();
    for (step_rows, blocks) in [(512, 64), (7, 64), (1, 64), (512, 16)] {
        let engine = start(step_rows, blocks);
        // On a busy machine a request may end before the next one is submitted: then they do not meet in the small cache.
        for round in 1.. {
            let choices: Vec<_> =
                requests.iter().map(|request| engine.submit(request.clone()).unwrap().remove(0)).collect();
            for (choice, expected) in choices.into_iter().zip(&alone) {
                let (tokens, finish) = collect(choice);
                assert!(finish.is_ok());
                assert_eq!(tokens, *expected, "{step_rows} rows, {blocks} blocks");
            }
            if blocks > 16 || engine.status().preempted > 0 {
                break;
            }
            assert!(round < 30, "the cache is too small for all of them");
        }
    }
}

#[test]
fn an_answer_ends_where_the_guide_has_no_room() {
    // Five blocks are enough for sixty tokens that stay sixty. A weight below 0 likes those that become many.
    let (tokens, finish) = collect(start(512, 5).submit(request(0, &[-1.0], 60)).unwrap().remove(0));
    assert_eq!(finish.unwrap().reason, pad_engine::FinishReason::Length);
    assert!(tokens.len() < 60 && tokens.len() > 10, "{} tokens", tokens.len());
}

/// An answer's rewards by token add up to what the guide makes of the whole.
#[test]
fn a_given_answer_is_worth_all_of_its_tokens() {
    let (engine, guide) = (start(512, 64), open("qwen2"));
    let request = request(4, &[1.0], 1);
    let answer: Arc<[u32]> = prompt(11, 17).into();
    let score =
        ScoreRequest { lanes: request.lanes.clone(), answer: Arc::clone(&answer), top: 0, tenant: Tenant::default() };
    let scores = engine.score(&score).unwrap().blocking_result().unwrap().scores;
    assert_eq!(scores.rewards[0].len(), answer.len());
    let sum: f32 = scores.rewards[0].iter().sum();
    let expected = worth(&guide, &request.lanes[1].prompt, &Letters.cross(&answer).tokens);
    assert!((sum - expected).abs() < 1e-3, "{sum}, expected {expected}");
}
