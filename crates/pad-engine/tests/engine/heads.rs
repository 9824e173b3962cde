//! A reward model of trained heads: an adapter's lane that branches off from the base lane against one that computes all layers
//! itself, and heads that read the base lane.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_decode::{CandidateSource, Decision, Reference, Rule, Term};
use pad_engine::{
    Adaptation, AdapterId, Choice, Engine, EngineConfig, GenerateRequest, HeadId, LaneReadout, LaneSpec, LoadedWeights,
    LockstepRunner, ScoreRequest, Scores, Strength, Tenant, Trunk, WeightsId,
};
use pad_model::{Adapter, Dtype, KvDtype, Model, ModelOptions, Pool, ValueHead};

use crate::fake::decisions;

fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families").join(name)
}

/// Two seeded heads of rank 2 for a hidden size of 32.
fn heads(pool: &Arc<Pool>) -> Vec<ValueHead> {
    let folder = tempfile::tempdir().unwrap();
    let tensor = |seed: usize, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|i| ((i * 37 + seed * 101) % 41) as f32 / 41.0 - 0.5).collect::<Vec<_>>();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let mut tensors = HashMap::new();
    for (seed, name) in ["a", "b"].iter().enumerate() {
        tensors.insert(format!("heads.{name}.u"), tensor(seed, &[32, 2]));
        tensors.insert(format!("heads.{name}.v"), tensor(seed + 7, &[32, 2]));
        tensors.insert(format!("heads.{name}.b"), tensor(seed + 11, &[32]));
    }
    candle_core::safetensors::save(&tensors, folder.path().join("heads.safetensors")).unwrap();
    ValueHead::open_each(folder.path(), &[("a", 1.0), ("b", 1.0)], 32, &Device::Cpu, pool).unwrap()
}

pub fn start(step_rows: usize, kv_blocks: usize) -> Engine {
    let pool = Arc::new(Pool::new(2));
    let options =
        ModelOptions { dtype: Dtype::Auto, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::clone(&pool) };
    let mut model = Model::open(&family("llama"), &options).unwrap();
    let adapter = Adapter::open(&family("llama-lora"), model.config()).unwrap();
    model.add_adapter(adapter);
    let weights = LoadedWeights::new(model, heads(&pool), kv_blocks).unwrap();
    let config = EngineConfig { step_rows, ..EngineConfig::default() };
    Engine::start(LockstepRunner::new(vec![weights]).unwrap(), config).unwrap()
}

pub const HEADS: [LaneReadout; 2] = [LaneReadout::Head(HeadId(0)), LaneReadout::Head(HeadId(1))];

/// The base lane of this prompt and a lane through the adapter, read by both heads.
pub fn lanes(prompt: &[u32], trunk: Trunk) -> Vec<LaneSpec> {
    let prompt: Arc<[u32]> = prompt.into();
    let adapter = Some(Adaptation { adapter: AdapterId(0), strength: Strength::ONE, trunk });
    let lane = LaneSpec { weights: WeightsId::BASE, adapter, readouts: HEADS.to_vec(), prompt: Arc::clone(&prompt) };
    vec![LaneSpec::base(prompt), lane]
}

pub fn request(lanes: Vec<LaneSpec>) -> GenerateRequest {
    let term = |readout, weight| Term { weight, readout, reference: Reference::Base };
    GenerateRequest {
        lanes,
        terms: vec![term(0, 1.0), term(1, -0.5)],
        rule: Rule::default(),
        top_k: 10,
        source: CandidateSource::Base,
        seed: 0,
        choices: 1,
        max_tokens: 20,
        end_tokens: Arc::new([]),
        grammar: None,
        tenant: Tenant::default(),
    }
}

pub fn prompt(seed: u32, len: u32) -> Vec<u32> {
    (0..len).map(|i| 3 + (i * 7 + seed * 13) % 90).collect()
}

pub fn generated(engine: &Engine, request: GenerateRequest) -> Vec<Decision> {
    decisions(engine.submit(request).unwrap().remove(0))
}

#[test]
fn branching_off_changes_no_bit_however_prompts_are_cut_shared_or_preempted() {
    let prompts = [prompt(1, 40), prompt(2, 9), prompt(1, 40), [prompt(1, 33), prompt(5, 4)].concat()];
    let own: Vec<_> = prompts.iter().map(|p| generated(&start(512, 64), request(lanes(p, Trunk::Own)))).collect();
    let plain = generated(&start(512, 64), request(vec![LaneSpec::base(prompts[0].as_slice().into())]).into_plain());
    assert_ne!(tokens(&own[0]), tokens(&plain), "nothing is steered");
    // The smallest cache holds two of the sequences and a half: some are preempted.
    for (step_rows, kv_blocks) in [(512, 64), (7, 64), (1, 64), (64, 20)] {
        let engine = start(step_rows, kv_blocks);
        let branching = |p: &Vec<u32>| engine.submit(request(lanes(p, Trunk::Base))).unwrap().remove(0);
        let choices: Vec<Choice> = prompts.iter().map(branching).collect();
        for (choice, own) in choices.into_iter().zip(&own) {
            assert_eq!(&decisions(choice), own, "{step_rows} rows a step, {kv_blocks} blocks");
        }
        // Found in the cache.
        assert_eq!(generated(&engine, request(lanes(&prompts[0], Trunk::Base))), own[0]);
    }
}

trait IntoPlain {
    fn into_plain(self) -> Self;
}

impl IntoPlain for GenerateRequest {
    /// Without terms.
    fn into_plain(mut self) -> Self {
        self.terms.clear();
        self
    }
}

fn tokens(decisions: &[Decision]) -> Vec<u32> {
    decisions.iter().map(Decision::token).collect()
}

#[test]
fn heads_on_the_base_lane_are_read_as_in_a_lane_of_their_own() {
    let prompt = prompt(3, 21);
    let mut beside = LaneSpec::base(prompt.as_slice().into());
    beside.readouts.extend(HEADS);
    let own = LaneSpec { readouts: HEADS.to_vec(), ..LaneSpec::base(prompt.as_slice().into()) };
    let engine = start(512, 64);
    let got = generated(&engine, request(vec![beside.clone()]));
    assert_eq!(got, generated(&engine, request(vec![LaneSpec::base(prompt.as_slice().into()), own])));
    assert!(got.iter().any(|decision| decision.reward.iter().any(|reward| reward.abs() > 0.1)));
    // With beta 0 nothing but the base lane is read.
    let mut idle = request(vec![beside]);
    idle.rule.beta = 0.0;
    assert!(generated(&engine, idle).iter().all(|decision| decision.rewards.is_empty()));
}

fn scored(engine: &Engine, lanes: Vec<LaneSpec>, answer: &[u32]) -> Scores {
    let request = ScoreRequest { lanes, answer: answer.into(), top: 3, tenant: Tenant::default() };
    engine.score(&request).unwrap().blocking_result().unwrap().scores
}

#[test]
fn an_answer_is_scored_as_its_decisions_were() {
    let prompt = prompt(4, 18);
    let engine = start(512, 64);
    let mut steered = request(lanes(&prompt, Trunk::Base));
    steered.rule.normalisation = pad_decode::Normalisation::Vocabulary;
    let decisions = generated(&engine, steered);
    let answer = tokens(&decisions);
    let scores = scored(&engine, lanes(&prompt, Trunk::Base), &answer);
    assert_eq!((scores.base.len(), scores.rewards.len()), (answer.len(), 2));
    for (at, decision) in decisions.iter().enumerate() {
        let chosen = decision.chosen;
        assert!((scores.base[at] - decision.base_logprob[chosen]).abs() < 1e-5);
        // The base's best are those that the decision had, and the token's own number is among them, bit for bit.
        let best: Vec<u32> = scores.best[at].iter().map(|(token, _)| *token).collect();
        assert_eq!(best, decision.tokens[..3]);
        assert!(scores.best[at].iter().all(|(token, logprob)| *token != answer[at] || *logprob == scores.base[at]));
        for (head, rewards) in decision.rewards.iter().enumerate() {
            let phi = scores.rewards[head][at] - scores.base[at];
            assert!((phi - rewards[chosen]).abs() < 1e-5, "{at}: {phi} is not {}", rewards[chosen]);
        }
    }
    for (step_rows, trunk) in [(512, Trunk::Own), (5, Trunk::Base), (1, Trunk::Own)] {
        assert_eq!(scored(&start(step_rows, 64), lanes(&prompt, trunk), &answer), scores, "{step_rows} rows a step");
    }
    let one = scored(&engine, vec![LaneSpec::base(prompt.as_slice().into())], &answer[..1]);
    assert_eq!((one.base.len(), one.rewards.len()), (1, 0));
    assert!((one.base[0] - scores.base[0]).abs() < 1e-6);
}

#[test]
fn a_lane_branches_off_from_its_own_base_only() {
    let engine = start(512, 64);
    let mut other = lanes(&prompt(1, 8), Trunk::Base);
    other[1].prompt = prompt(2, 8).into();
    let error = engine.submit(request(other)).unwrap_err().to_string();
    assert!(error.contains("branches off"), "{error}");
}
