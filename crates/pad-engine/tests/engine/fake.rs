//! A runner without a model: its cache holds tokens, and what it proposes is a function of a lane's whole history. So a wrong
//! block table, a wrong position or a lane out of step changes the tokens that come out.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pad_decode::{Adjustments, CandidateSource, Candidates, Decision, Readout, Reference, Rule, Term};
use pad_engine::{
    BLOCK, Choice, DecodeReadouts, Engine, EngineConfig, Event, Finish, GenerateRequest, LaneReadout, LaneRows,
    LaneSpec, Runner, ScoreReadouts, StepError, StepPlan, StepReadouts, Tenant, WeightsId,
};

/// A token that makes the step it is run in fail.
pub const POISON: u32 = 666;
/// A token that makes the runner panic.
pub const BOMB: u32 = 667;

/// What a step looked like: rows per lane, and how many sequences decoded.
#[derive(Clone, Debug)]
pub struct StepSeen {
    pub rows: Vec<usize>,
    pub decodes: usize,
}

#[derive(Default)]
pub struct Fake {
    pub blocks: usize,
    /// Tokens that have an embedding; 0: all of them.
    vocabulary: usize,
    /// How far rows look back.
    window: Option<usize>,
    cache: HashMap<(usize, u32, usize), u32>,
    pub seen: Arc<Mutex<Vec<StepSeen>>>,
    /// Where given, a step waits for a word before it runs.
    gate: Option<Receiver<()>>,
}

fn mix(history: &[u32], salt: u64) -> u64 {
    history
        .iter()
        .fold(0x9E37_79B9_7F4A_7C15 ^ salt, |h, &t| (h ^ u64::from(t)).wrapping_mul(0x0100_0000_01B3).rotate_left(17))
}

impl Fake {
    pub fn new(blocks: usize) -> Self {
        Self { blocks, ..Self::default() }
    }

    /// The same with so many tokens.
    pub fn with_vocabulary(self, vocabulary: usize) -> Self {
        Self { vocabulary, ..self }
    }

    /// The same whose rows look back on so many positions.
    pub fn with_window(self, window: usize) -> Self {
        Self { window: Some(window), ..self }
    }

    /// A runner whose steps wait for words sent to the returned end.
    pub fn gated(blocks: usize) -> (Self, Sender<()>) {
        let (words, gate) = channel();
        (Self { blocks, gate: Some(gate), ..Self::default() }, words)
    }

    fn history(&self, rows: &LaneRows) -> Vec<u32> {
        let end = rows.start + rows.tokens.len();
        let first = self.window.map_or(0, |window| end.saturating_sub(window));
        let token = |at: usize| self.cache[&(rows.weights.0, rows.blocks[at / BLOCK], at % BLOCK)];
        (0..end).map(|at| if at < first { 0 } else { token(at) }).collect()
    }
}

/// The best of 500 tokens, which fall by a tenth from one to the next, in an order that `base` gives.
fn proposed(base: u64, k: usize, adjustments: &Adjustments) -> Candidates {
    let logit = |i: u64| 2.0 - 0.1 * i as f32;
    let token = |i: u64| (((base >> 7) + i * 37) % 500) as u32;
    let rank = |token_: u32| (0..500).find(|i| token(*i) == token_);
    let allowed = |i: &u64| adjustments.allowed().is_none_or(|allowed| allowed.contains(token(*i)));
    let best = |count: usize| (0..500).filter(allowed).take(count).map(token).collect::<Vec<u32>>();
    let mut tokens = best(adjustments.reach(k));
    if let Some(count) = adjustments.deeper(k, &tokens) {
        tokens = best(count);
    }
    let mut logits: Vec<f32> = tokens.iter().filter_map(|token| rank(*token)).map(logit).collect();
    for unread in adjustments.unread(&tokens, false) {
        let at = rank(unread);
        tokens.push(unread);
        logits.push(at.map_or(f32::NEG_INFINITY, logit));
    }
    adjustments.candidates(k, tokens, Readout { logits, log_sum_exp: None }, None)
}

impl Runner for Fake {
    fn context(&self) -> usize {
        200
    }

    fn vocabulary(&self) -> usize {
        if self.vocabulary == 0 { usize::MAX } else { self.vocabulary }
    }

    fn kv_blocks(&self) -> Vec<usize> {
        vec![self.blocks, self.blocks]
    }

    fn windows(&self) -> Vec<Option<usize>> {
        vec![self.window; 2]
    }

    fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError> {
        if let Some(gate) = &self.gate {
            let _ = gate.recv();
        }
        let rows = plan.rows.iter().map(|rows| rows.tokens.len()).collect();
        self.seen.lock().unwrap().push(StepSeen { rows, decodes: plan.decodes.len() });
        for rows in &plan.rows {
            let trunk = rows.trunk.map(|base| (plan.rows[base].start, plan.rows[base].tokens.len()));
            assert!(
                trunk.is_none_or(|trunk| trunk == (rows.start, rows.tokens.len())),
                "it keeps up with the base lane"
            );
            assert!(!rows.tokens.contains(&BOMB), "on purpose");
            if rows.tokens.contains(&POISON) {
                return Err(StepError::Runner("poisoned".to_owned()));
            }
            for (i, token) in rows.tokens.iter().enumerate() {
                let at = rows.start + i;
                self.cache.insert((rows.weights.0, rows.blocks[at / BLOCK], at % BLOCK), *token);
            }
        }
        let decodes = plan.decodes.iter().map(|decode| {
            let base = mix(&self.history(&plan.rows[decode.base]), 0);
            let candidates = proposed(base, decode.top_k, &decode.adjustments);
            let tokens = &candidates.tokens;
            let rewards = decode.rewards.iter().map(|(row, _)| {
                let lane = mix(&self.history(&plan.rows[*row]), 1 + plan.rows[*row].weights.0 as u64);
                let logits = tokens.iter().map(|t| (lane.rotate_left(*t % 64) % 1000) as f32 / 250.0).collect();
                Readout { logits, log_sum_exp: None }
            });
            let rewards = rewards.collect();
            DecodeReadouts { candidates, rewards }
        });
        // What a lane makes of an answer's token: a number that only the tokens before it, the lane's weights and it decide.
        let scores = plan.scores.iter().map(|score| {
            let rows = &plan.rows[score.row];
            let end = rows.start + rows.tokens.len();
            let history = self.history(rows);
            let target = |(i, target): (usize, &u32)| {
                let before = &history[..=end - score.targets.len() + i];
                -((mix(before, 1 + rows.weights.0 as u64).rotate_left(*target % 64) % 1000) as f32)
            };
            let best = |at: usize| {
                let history = &history[..=end - score.targets.len() + at];
                (0..score.top as u32).map(|rank| (mix(history, 9) as u32 % 500 + rank, -(rank as f32))).collect()
            };
            ScoreReadouts {
                logprobs: vec![score.targets.iter().enumerate().map(target).collect(); score.readouts.len()],
                best: (0..score.targets.len()).map(best).collect(),
            }
        });
        // A hidden state tells what a lane's history up to it is.
        let embeds = plan.embeds.iter().map(|row| {
            let (rows, history) = (&plan.rows[*row], self.history(&plan.rows[*row]));
            let state = |at: usize| (0..4).map(|salt| (mix(&history[..=at], salt) % 1000) as f32 / 7.0).collect();
            (rows.start..rows.start + rows.tokens.len()).map(state).collect()
        });
        let embeds = embeds.collect();
        // A millisecond for each row of a reward lane.
        let rewards = plan.rows.iter().filter(|rows| rows.reward).map(|rows| rows.tokens.len() as u64);
        let reward_time = Duration::from_millis(rewards.sum());
        Ok(StepReadouts { decodes: decodes.collect(), scores: scores.collect(), embeds, reward_time })
    }
}

/// A greedy request: a base prompt, and one reward lane through weights 1 per weight given, each with a prompt of its own.
pub fn request(prompt: &[u32], weights: &[f32], max_tokens: usize) -> GenerateRequest {
    let mut lanes = vec![LaneSpec::base(prompt.into())];
    for i in 0..weights.len() {
        let prompt: Vec<u32> = [&[900 + i as u32, 7, 7][..], prompt].concat();
        lanes.push(LaneSpec {
            weights: WeightsId(1),
            adapter: None,
            readouts: vec![LaneReadout::Plain],
            prompt: prompt.into(),
        });
    }
    let term = |(readout, &weight): (usize, &f32)| Term { weight, readout, reference: Reference::Base };
    GenerateRequest {
        lanes,
        terms: weights.iter().enumerate().map(term).collect(),
        rule: Rule::default(),
        top_k: 10,
        source: CandidateSource::Base,
        seed: 0,
        choices: 1,
        max_tokens,
        end_tokens: Arc::new([]),
        grammar: None,
        tenant: Tenant::default(),
    }
}

pub fn engine(runner: Fake, config: EngineConfig) -> Engine {
    Engine::start(runner, config).unwrap()
}

/// All tokens of a choice, and its last word.
pub fn collect(mut choice: Choice) -> (Vec<u32>, Result<Finish, String>) {
    let mut tokens = Vec::new();
    loop {
        match choice.blocking_next() {
            Some(Event::Token(token)) => tokens.push(token.id),
            Some(Event::Finished(finish)) => return (tokens, Ok(finish)),
            Some(Event::Failed(why) | Event::OffGrammar(why)) => return (tokens, Err(why)),
            None => return (tokens, Err("the stream ended without a last word".to_owned())),
        }
    }
}

/// All decisions of a choice that ends well.
pub fn decisions(mut choice: Choice) -> Vec<Decision> {
    let mut all = Vec::new();
    loop {
        match choice.blocking_next() {
            Some(Event::Token(token)) => all.push(token.decision),
            Some(Event::Finished(_)) => return all,
            other => panic!("{other:?}"),
        }
    }
}

/// The tokens of one request run alone in a fresh engine.
pub fn alone(request: &GenerateRequest) -> Vec<u32> {
    alone_in(Fake::new(64), request)
}

/// The same with this runner.
pub fn alone_in(runner: Fake, request: &GenerateRequest) -> Vec<u32> {
    let engine = engine(runner, EngineConfig::default());
    let (tokens, finish) = collect(engine.submit(request.clone()).unwrap().remove(0));
    finish.unwrap();
    tokens
}

/// The engine's figures once nothing is queued or running: a client hears the last word just before they are published.
pub fn settled(engine: &Engine) -> pad_engine::Status {
    loop {
        let status = engine.status();
        if status.running == 0 && status.waiting == 0 {
            return status;
        }
        std::thread::yield_now();
    }
}
