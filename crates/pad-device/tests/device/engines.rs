//! The engine over models on the device, against golden decisions and against the engine over models on the CPU.

use std::sync::Arc;

use pad_decode::{
    Allowed, CandidateSource, Decision, Grammar, GrammarError, Normalisation, Penalties, Reference, Rule, Term,
    TokenSet,
};
use pad_engine::{
    Adaptation, AdapterId, Choice, EmbedRequest, Engine, EngineConfig, Event, GenerateRequest, HeadId, LaneReadout,
    LaneSpec, LoadedWeights, LockstepRunner, ScoreRequest, Strength, Tenant, Trunk, WeightsId,
};

use crate::models::{Beside, beside, cached, full_head, json, lanes};

const TOLERANCE: f32 = 1e-3;

fn start(weights: Vec<LoadedWeights>, step_rows: usize) -> Engine {
    let config = EngineConfig { step_rows, ..EngineConfig::default() };
    Engine::start(LockstepRunner::new(weights).unwrap(), config).unwrap()
}

/// The engine with weights on the CPU, and with the same on the device.
fn engines(step_rows: usize) -> [Engine; 2] {
    let cpu = LoadedWeights::of(cached("llama", beside()));
    let device = LoadedWeights::of(lanes("llama", &beside(), step_rows));
    [start(vec![cpu], step_rows), start(vec![device], step_rows)]
}

fn decisions(mut choice: Choice) -> Vec<Decision> {
    let mut all = Vec::new();
    loop {
        match choice.blocking_next() {
            Some(Event::Token(token)) => all.push(token.decision),
            Some(Event::Finished(_)) => return all,
            other => panic!("{other:?}"),
        }
    }
}

fn prompt(seed: u32, len: u32) -> Arc<[u32]> {
    (0..len).map(|i| 3 + (i * 7 + seed * 13) % 90).collect()
}

/// A lane through an adapter, read by these heads.
fn adapted(prompt: &Arc<[u32]>, adapter: usize, strength: f32, trunk: Trunk, heads: &[usize]) -> LaneSpec {
    let strength = Strength::new(strength);
    let adapter = Some(Adaptation { adapter: AdapterId(adapter), strength, trunk });
    let readouts = heads.iter().map(|head| LaneReadout::Head(HeadId(*head))).collect();
    LaneSpec { weights: WeightsId::BASE, adapter, readouts, prompt: Arc::clone(prompt) }
}

fn request(lanes: Vec<LaneSpec>) -> GenerateRequest {
    // The first is the base's own.
    let readouts = lanes.iter().map(|lane| lane.readouts.len()).sum::<usize>() - 1;
    let weights = [1.0, -0.5, 0.7, 0.4, -0.3];
    let term = |(readout, weight): (usize, &f32)| Term { weight: *weight, readout, reference: Reference::Base };
    GenerateRequest {
        lanes,
        terms: weights.iter().take(readouts).enumerate().map(term).collect(),
        rule: Rule::default(),
        top_k: 10,
        source: CandidateSource::Base,
        seed: 0,
        choices: 1,
        max_tokens: 5,
        end_tokens: Arc::new([]),
        grammar: None,
        tenant: Tenant::default(),
    }
}

/// Allows every third token, whatever came before.
#[derive(Clone, Debug)]
struct EveryThird;

impl Grammar for EveryThird {
    fn allowed(&mut self) -> Result<Allowed, GrammarError> {
        let tokens: Vec<u32> = (0..96_u32).filter(|token| token.is_multiple_of(3)).collect();
        Ok(Allowed { tokens: TokenSet::default().with(&tokens), end: false })
    }

    fn accept(&mut self, _: u32) -> Result<(), GrammarError> {
        Ok(())
    }

    fn another(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }
}

/// Requests of many kinds.
fn requests() -> Vec<GenerateRequest> {
    let prompts: Vec<Arc<[u32]>> =
        [(1, 40), (2, 9), (1, 33), (3, 21), (4, 17)].map(|(seed, len)| prompt(seed, len)).into();
    let steered = |i: usize| {
        request(vec![LaneSpec::base(Arc::clone(&prompts[i])), adapted(&prompts[i], 0, 1.0, Trunk::Base, &[0, 1])])
    };
    let mut base = LaneSpec::base(Arc::clone(&prompts[1]));
    base.readouts.extend([LaneReadout::Head(HeadId(2)), LaneReadout::Head(HeadId(0))]);
    let beside = request(vec![base]);
    let mut plain = request(vec![LaneSpec::base(Arc::clone(&prompts[2]))]);
    plain.terms.clear();
    let directed = adapted(&prompts[3], 1, -0.8, Trunk::Own, &[2]);
    let mut vector = request(vec![LaneSpec::base(Arc::clone(&prompts[3])), directed]);
    vector.rule.normalisation = Normalisation::Vocabulary;
    let (mut union, mut formed, mut penalised) = (steered(4), steered(0), steered(2));
    (union.source, union.top_k) = (CandidateSource::Union, 4);
    formed.grammar = Some(Box::new(EveryThird));
    penalised.rule.penalties =
        Penalties { presence: 1.0, bias: [(5, -100.0), (8, 0.5)].into(), ..Penalties::default() };
    vec![steered(0), beside, plain, vector, union, formed, penalised]
}

/// Sorted by token: equal logits may be ranked either way.
fn by_token(tokens: &[u32], values: &[f32]) -> Vec<(u32, f32)> {
    let mut pairs: Vec<(u32, f32)> = tokens.iter().copied().zip(values.iter().copied()).collect();
    pairs.sort_by_key(|(token, _)| *token);
    pairs
}

fn close(place: &str, tokens: [&[u32]; 2], values: [&[f32]; 2]) {
    let [got, want] = [0, 1].map(|i| by_token(tokens[i], values[i]));
    assert_eq!(got.len(), want.len(), "{place}");
    for ((a, x), (b, y)) in got.iter().zip(&want) {
        assert!(a == b && (x - y).abs() < TOLERANCE, "{place}: {a} {x} against {b} {y}");
    }
}

fn same(place: &str, got: &[Decision], want: &[Decision]) {
    assert_eq!(got.len(), want.len(), "{place}");
    for (step, (got, want)) in got.iter().zip(want).enumerate() {
        let (place, tokens) = (format!("{place}, step {step}"), [&got.tokens[..], &want.tokens]);
        close(&place, tokens, [&got.base_logprob, &want.base_logprob]);
        close(&place, tokens, [&got.score, &want.score]);
        assert_eq!(got.rewards.len(), want.rewards.len(), "{place}");
        got.rewards.iter().zip(&want.rewards).for_each(|(got, want)| close(&place, tokens, [got, want]));
        assert_eq!(got.token(), want.token(), "{place}");
    }
}

#[test]
fn decisions_are_those_of_the_cpu_alone_together_and_in_chunks() {
    let [cpu, device] = engines(512);
    let all = |engine: &Engine| -> Vec<Vec<Decision>> {
        let choices: Vec<Choice> = requests().into_iter().map(|one| engine.submit(one).unwrap().remove(0)).collect();
        choices.into_iter().map(decisions).collect()
    };
    let want = all(&cpu);
    let steered = want.iter().flatten().filter(|decision| decision.steered()).count();
    assert!(steered > 5, "{steered} steps are steered");
    for (i, (one, want)) in requests().into_iter().zip(&want).enumerate().filter(|(i, _)| i % 3 == 0) {
        same(&format!("request {i} alone"), &decisions(device.submit(one).unwrap().remove(0)), want);
    }
    for (step_rows, device) in [(512, device), (23, engines(23)[1].clone())] {
        for (i, (got, want)) in all(&device).iter().zip(&want).enumerate() {
            same(&format!("request {i}, {step_rows} rows a step"), got, want);
        }
    }
}

#[test]
fn answers_are_scored_and_texts_embedded_as_on_the_cpu() {
    let found = engines(30).map(|engine| {
        let prompt = prompt(6, 25);
        let lanes = vec![LaneSpec::base(Arc::clone(&prompt)), adapted(&prompt, 0, 1.0, Trunk::Base, &[1, 2])];
        let answer: Arc<[u32]> = (20..60).collect();
        let request = ScoreRequest { lanes, answer, top: 3, tenant: Tenant::default() };
        let scores = engine.score(&request).unwrap().blocking_result().unwrap().scores;
        let embed = EmbedRequest { tokens: prompt, tenant: Tenant::default() };
        (scores, engine.embed(&embed).unwrap().blocking_result().unwrap())
    });
    let [(want, want_embedded), (got, embedded)] = &found;
    let numbers = |scores: &pad_engine::Scores| {
        let best = scores.best.iter().flatten().map(|(_, logprob)| *logprob);
        [scores.base.clone(), scores.rewards.concat()].concat().into_iter().chain(best).collect::<Vec<f32>>()
    };
    let close = |(got, want): (&f32, &f32)| (got - want).abs() < TOLERANCE;
    assert_eq!(numbers(got).len(), 40 * (1 + 2 + 3));
    assert!(numbers(got).iter().zip(&numbers(want)).all(close), "{got:?} is not {want:?}");
    assert!(embedded.len() == 32 && embedded.iter().zip(want_embedded).all(close));
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
    score: Vec<f32>,
    token: u32,
}

#[test]
fn golden_decisions_of_a_reward_model_with_weights_of_its_own() {
    let cases: Vec<Case> = serde_json::from_value(json("pad-checkpoint", "golden.json")["cases"].clone()).unwrap();
    let reward = Beside { adapters: Vec::new(), heads: vec![full_head()] };
    let weights = [lanes("llama", &Beside::default(), 0), lanes("pad-checkpoint", &reward, 1)];
    let engine = start(weights.map(LoadedWeights::of).into(), 40);
    let choice = |case: &Case| {
        let prompt: Arc<[u32]> = case.prompt.as_slice().into();
        let own = LaneSpec {
            weights: WeightsId(1),
            readouts: vec![LaneReadout::Head(HeadId(0))],
            ..LaneSpec::base(Arc::clone(&prompt))
        };
        let mut request = request(vec![LaneSpec::base(prompt), own]);
        (request.rule.beta, request.top_k, request.max_tokens) = (case.beta, case.top_k, case.steps.len());
        engine.submit(request).unwrap().remove(0)
    };
    let choices: Vec<Choice> = cases.iter().map(choice).collect();
    for (i, (case, choice)) in cases.iter().zip(choices).enumerate() {
        for (step, (got, want)) in decisions(choice).iter().zip(&case.steps).enumerate() {
            let (place, tokens) = (format!("case {i}, step {step}"), [&got.tokens[..], &want.candidates]);
            close(&place, tokens, [&got.base_logprob, &want.base_logprob]);
            close(&place, tokens, [&got.score, &want.score]);
            assert_eq!(got.token(), want.token, "{place}");
        }
    }
}
