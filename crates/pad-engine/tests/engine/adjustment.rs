//! Biases, penalties and excluded end tokens: what is chosen, and that real models are read as the whole vocabulary says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use pad_decode::{Normalisation, Penalties, Rule};
use pad_engine::{Engine, EngineConfig, FinishReason, GenerateRequest, LoadedWeights, LockstepRunner};
use pad_model::{Dtype, KvDtype, Model, ModelOptions, Pool};

use crate::fake::{Fake, alone, collect, decisions, engine, request};

fn with(mut request: GenerateRequest, penalties: Penalties) -> GenerateRequest {
    request.rule.penalties = penalties;
    request
}

fn bias(entries: &[(u32, f32)]) -> Penalties {
    Penalties { bias: entries.iter().copied().collect(), ..Penalties::default() }
}

#[test]
fn a_bias_forces_and_bans() {
    let plain = request(&[4, 5], &[], 6);
    let said = alone(&plain);
    assert_eq!(alone(&with(plain.clone(), bias(&[(123, 100.0)]))), [123; 6]);
    let banned = alone(&with(plain.clone(), bias(&[(said[0], -100.0)])));
    assert!(!banned.contains(&said[0]), "{banned:?}");
    assert_eq!(alone(&with(plain, bias(&[(said[0], 0.0)]))), said);
    // Whatever the rewards say: they are measured against the base's own logits, so that a bias counts in full.
    assert_eq!(alone(&with(request(&[4, 5], &[1.0], 6), bias(&[(123, 100.0)]))), [123; 6]);
}

#[test]
fn penalties_look_back() {
    // Logits lie between -48 and 2.
    let favoured = || bias(&[(7, 1000.0)]);
    let request = |penalties| alone(&with(request(&[7, 8], &[], 12), penalties));
    let repeats = |tokens: &[u32]| tokens.iter().filter(|token| **token == 7).count();
    assert_eq!(repeats(&request(favoured())), 12, "a favourite of all steps");
    assert_eq!(repeats(&request(Penalties { presence: 2000.0, ..favoured() })), 1);
    assert_eq!(repeats(&request(Penalties { frequency: 400.0, ..favoured() })), 3);
    assert_eq!(repeats(&request(Penalties { repetition: 10_000.0, ..favoured() })), 0, "the prompt counts");
    let all = request(Penalties { presence: 100.0, ..Penalties::default() });
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 12, "no token twice: {all:?}");
}

#[test]
fn end_tokens_wait_for_the_least_number_of_tokens() {
    let end = 77;
    let ended = |min_tokens| {
        let mut request = with(request(&[4, 5], &[], 9), bias(&[(end, 100.0)]));
        (request.end_tokens, request.rule.min_tokens) = (Arc::new([end]), min_tokens);
        let engine = engine(Fake::new(8), EngineConfig::default());
        let (tokens, finish) = collect(engine.submit(request).unwrap().remove(0));
        let place = tokens.iter().position(|token| *token == end);
        (tokens.len(), place, finish.unwrap().reason)
    };
    assert_eq!(ended(0), (1, Some(0), FinishReason::Stop));
    assert_eq!(ended(4), (5, Some(4), FinishReason::Stop));
    assert_eq!(ended(9), (9, None, FinishReason::Length));
    assert_eq!(ended(usize::MAX), (9, None, FinishReason::Length));
}

/// The engine over a real model of 96 tokens.
fn real() -> Engine {
    let options =
        ModelOptions { dtype: Dtype::F32, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families/llama");
    let weights = LoadedWeights::new(Model::open(&folder, &options).unwrap(), vec![], 64).unwrap();
    Engine::start(LockstepRunner::new(vec![weights]).unwrap(), EngineConfig::default()).unwrap()
}

/// Every token's base log-probability after these tokens.
fn whole(engine: &Engine, tokens: &[u32]) -> BTreeMap<u32, f32> {
    let request = GenerateRequest { top_k: 100, ..request(tokens, &[], 1) };
    let decision = decisions(engine.submit(request).unwrap().remove(0)).remove(0);
    assert_eq!(decision.tokens.len(), 96);
    decision.tokens.into_iter().zip(decision.base_logprob).collect()
}

#[test]
fn a_real_model_is_read_as_the_whole_vocabulary_says() {
    const END: u32 = 13;
    let (engine, k, prompt) = (real(), 4, [13, 59, 42, 17, 40, 16]);
    let few = Penalties { frequency: 3.0, presence: -0.5, ..bias(&[(3, 4.0), (20, -2.0), (95, 2.5)]) };
    // So many that the best ones read first hold too few others.
    let many = Penalties { bias: (0..90).map(|token| (token, -10.0)).chain([(30, 4.0)]).collect(), ..few.clone() };
    let normalisations = [Normalisation::Candidates, Normalisation::Vocabulary];
    for (penalties, normalisation) in [few, many].iter().flat_map(|p| normalisations.map(|n| (p, n))) {
        // The little that is left of the vocabulary's sum where many are banned is known by subtraction.
        let by_subtraction = penalties.bias.len() > 50 && normalisation == Normalisation::Vocabulary;
        let tolerance = if by_subtraction { 1e-2 } else { 1e-4 };
        let mut request = with(request(&prompt, &[], 20), penalties.clone());
        request.rule = Rule { min_tokens: 8, normalisation, ..request.rule };
        (request.top_k, request.end_tokens) = (k, Arc::new([END]));
        let mut said = Vec::new();
        for decision in decisions(engine.submit(request).unwrap().remove(0)) {
            let mut all: Vec<(u32, f32)> = whole(&engine, &[&prompt[..], &said].concat()).into_iter().collect();
            all.retain(|(token, _)| *token != END || said.len() >= 8);
            for (token, logprob) in &mut all {
                *logprob += penalties.bias.get(token).unwrap_or(&0.0);
                match said.iter().filter(|t| *t == token).count() {
                    0 => {}
                    count => *logprob -= 3.0 * count as f32 - 0.5,
                }
            }
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_eq!(decision.tokens, all[..k].iter().map(|a| a.0).collect::<Vec<_>>(), "after {said:?}");
            let over = if normalisation == Normalisation::Candidates { &all[..k] } else { &all };
            let sum = over.iter().map(|a| f64::from(a.1).exp()).sum::<f64>().ln() as f32;
            for (got, want) in decision.base_logprob.iter().zip(&all) {
                assert!((got - (want.1 - sum)).abs() < tolerance, "{got} is not {}", want.1 - sum);
            }
            said.push(decision.token());
        }
        assert!(said.len() >= 9 && said.iter().collect::<BTreeSet<_>>().len() > 2, "{said:?}");
    }
}

#[test]
fn tokens_that_do_not_exist_are_passed_over() {
    let engine = real();
    let plain = request(&[8, 82, 6], &[], 4);
    let strange = with(plain.clone(), bias(&[(96, 50.0), (u32::MAX, 100.0)]));
    let said = |request| collect(engine.submit(request).unwrap().remove(0));
    assert_eq!(said(strange), said(plain));
}
