//! One measurement of one case.

use std::sync::Arc;
use std::time::Instant;

use pad_client::draws::Draws;
use pad_decode::Grammar;
use pad_engine::{
    AdapterId, Choice, Engine, Event, GenerateRequest, HeadId, LaneReadout, LaneSpec, RewardLane, Strength, Tenant,
    WeightsId,
};
use serde::Serialize;

use crate::BenchError;

/// How dimensions with a weight are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// Each in a lane of its own, with a prompt of its own.
    Prompted,
    /// Through as many trained heads: in the base lane, or in one that branches off from it to an adapter.
    Heads {
        /// The adapter, if there is one.
        adapter: Option<AdapterId>,
    },
}

/// A number of sequences, each with a number of reward lanes and a length of prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Sequences side by side.
    pub sequences: usize,
    /// Reward lanes of each or, where heads are trained, dimensions.
    #[serde(rename = "lanes")]
    pub rewards: usize,
    /// Tokens in each lane's prompt.
    pub prompt: usize,
    /// Whether answers are constrained by a JSON schema.
    pub form: bool,
}

impl Case {
    /// All lanes of all sequences.
    pub fn lanes(&self) -> usize {
        self.sequences * (1 + self.rewards)
    }

    /// All tokens of all prompts.
    pub fn rows(&self) -> usize {
        self.lanes() * self.prompt
    }
}

/// What all cases have in common.
#[derive(Clone, Debug)]
pub struct Kind {
    /// How dimensions are read.
    pub steering: Steering,
    /// Candidates of a step.
    pub candidates: usize,
    /// The grammar of cases that have a form.
    pub form: Option<Box<dyn Grammar>>,
}

/// What one round found of a case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Prompt tokens read per second, all lanes together.
    pub prefill: f64,
    /// Tokens chosen per second, all sequences together.
    pub decode: f64,
    /// Share of the time that planning and committing took.
    pub scheduler: f64,
}

/// Read the prompts of a case, then decode `tokens` tokens of every sequence.
///
/// Long prompts are read in several steps, and a sequence whose prompt is read would run ahead of the others. So the prompts
/// are asked about twice: once for one token, and once, when the prefix cache holds all but their last few tokens, for all.
///
/// # Errors
///
/// When the engine takes no request, or does something else than decode.
pub fn measure(engine: &Engine, case: Case, kind: &Kind, tokens: usize, round: usize) -> Result<Figures, BenchError> {
    let before = engine.status();
    let begun = Instant::now();
    let mut choices = submitted(engine, case, kind, 1, round)?;
    next(&mut choices)?;
    // Trained heads have no prompt of their own.
    let rows = if kind.steering == Steering::Prompted { case.rows() } else { case.sequences * case.prompt };
    let prefill = rows as f64 / begun.elapsed().as_secs_f64();
    finished(&mut choices)?;

    let mut choices = submitted(engine, case, kind, tokens, round)?;
    next(&mut choices)?;
    // Every sequence chooses one token per step: once each has sent its first, all decode.
    let begun = Instant::now();
    for _ in 1..tokens {
        next(&mut choices)?;
    }
    let decode = (case.sequences * (tokens - 1)) as f64 / begun.elapsed().as_secs_f64();
    finished(&mut choices)?;

    let after = engine.status();
    if after.preempted != before.preempted {
        let problem = "a sequence was preempted, so the measurement is invalid: use fewer or shorter sequences, or more KV memory";
        return Err(BenchError::Engine(problem.to_owned()));
    }
    let scheduler = (after.scheduler_micros - before.scheduler_micros) as f64;
    let model = (after.model_micros - before.model_micros) as f64;
    Ok(Figures { prefill, decode, scheduler: scheduler / (scheduler + model).max(1.0) })
}

fn submitted(engine: &Engine, case: Case, kind: &Kind, tokens: usize, round: usize) -> Result<Vec<Choice>, BenchError> {
    let mut choices = Vec::with_capacity(case.sequences);
    for sequence in 0..case.sequences {
        choices.append(&mut engine.submit(request(case, kind, sequence, tokens, round))?);
    }
    Ok(choices)
}

fn next(choices: &mut [Choice]) -> Result<(), BenchError> {
    for choice in choices {
        match choice.blocking_next() {
            Some(Event::Token(_)) => {}
            other => return Err(BenchError::Engine(format!("expected a token, got {other:?}"))),
        }
    }
    Ok(())
}

fn finished(choices: &mut [Choice]) -> Result<(), BenchError> {
    for choice in choices {
        if !matches!(choice.blocking_next(), Some(Event::Finished(_))) {
            return Err(BenchError::Engine("a sequence did not finish".to_owned()));
        }
    }
    Ok(())
}

/// Prompts differ between cases, rounds, sequences and lanes, so that no other's is found in the prefix cache.
fn request(case: Case, kind: &Kind, sequence: usize, tokens: usize, round: usize) -> GenerateRequest {
    let lane = |lane: usize| {
        let which = [case.sequences, case.rewards, case.prompt, round, sequence, lane, usize::from(case.form)];
        let mut draws = Draws::of(&which.map(|number| number as u64));
        // Ids that are words in any vocabulary.
        (0..case.prompt).map(|_| 100 + draws.below(900) as u32).collect::<Vec<u32>>()
    };
    let lanes = match kind.steering {
        Steering::Prompted => (0..=case.rewards).map(|which| LaneSpec::base(lane(which).into())).collect(),
        Steering::Heads { adapter } => read_by_heads(lane(0), case.rewards, adapter),
    };
    let term = |readout| pad_decode::Term { weight: 1.0, readout, reference: pad_decode::Reference::Base };
    GenerateRequest {
        lanes,
        terms: (0..case.rewards).map(term).collect(),
        rule: pad_decode::Rule::default(),
        top_k: kind.candidates,
        source: pad_decode::CandidateSource::Base,
        seed: 0,
        choices: 1,
        max_tokens: tokens,
        end_tokens: Arc::new([]),
        tenant: Tenant::default(),
        grammar: kind.form.clone().filter(|_| case.form),
    }
}

/// The lanes of a prompt whose rewards so many heads read, as the server lays them out.
fn read_by_heads(prompt: Vec<u32>, heads: usize, adapter: Option<AdapterId>) -> Vec<LaneSpec> {
    let readouts: Vec<LaneReadout> = (0..heads).map(|head| LaneReadout::Head(HeadId(head))).collect();
    let adapter = adapter.map(|adapter| (adapter, Strength::ONE));
    let lane = RewardLane { weights: WeightsId::BASE, adapter, readouts, prompt: prompt.clone() };
    pad_engine::arrange(prompt, (heads > 0).then_some(lane))
}
