//! One measurement of one case.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{bail, ensure};
use pad_engine::{Choice, Engine, Event, GenerateRequest, LaneSpec};

use super::{Case, Figures};

/// Decode `tokens` tokens of every sequence of a case. Prompts differ between rounds and lanes, so that none is found in the
/// prefix cache.
pub fn measure(engine: &Engine, case: Case, prompt: usize, tokens: usize, round: u32) -> anyhow::Result<Figures> {
    let begun = Instant::now();
    let before = engine.status();
    let mut choices = Vec::with_capacity(case.sequences);
    for sequence in 0..case.sequences {
        choices.append(&mut engine.submit(request(case, sequence, prompt, tokens, round))?);
    }
    // Every sequence chooses one token per step: when all have told their first, the prompts are read.
    next(&mut choices)?;
    let prefilled = Instant::now();
    for _ in 1..tokens {
        next(&mut choices)?;
    }
    let done = Instant::now();
    for choice in &mut choices {
        ensure!(matches!(choice.blocking_next(), Some(Event::Finished(_))), "a sequence did not finish");
    }
    let after = engine.status();
    let scheduler = (after.scheduler_micros - before.scheduler_micros) as f64;
    let model = (after.model_micros - before.model_micros) as f64;
    let rows = (case.sequences * (1 + case.lanes) * prompt) as f64;
    Ok(Figures {
        prefill: rows / (prefilled - begun).as_secs_f64(),
        decode: (case.sequences * (tokens - 1)) as f64 / (done - prefilled).as_secs_f64(),
        scheduler: scheduler / (scheduler + model).max(1.0),
    })
}

fn next(choices: &mut [Choice]) -> anyhow::Result<()> {
    for choice in choices {
        match choice.blocking_next() {
            Some(Event::Token(_)) => {}
            other => bail!("a token was expected, not {other:?}"),
        }
    }
    Ok(())
}

fn request(case: Case, sequence: usize, prompt: usize, tokens: usize, round: u32) -> GenerateRequest {
    let lane = |lane: usize| {
        let salt = (sequence * 31 + lane * 7 + case.sequences + 100 * case.lanes) as u32 + 997 * round;
        let tokens: Arc<[u32]> = (0..prompt as u32).map(|i| 100 + (salt * 131 + i * 17) % 900).collect();
        LaneSpec::base(tokens)
    };
    let term = |readout| pad_decode::Term { weight: 1.0, readout, reference: pad_decode::Reference::Base };
    GenerateRequest {
        lanes: (0..=case.lanes).map(lane).collect(),
        terms: (0..case.lanes).map(term).collect(),
        rule: pad_decode::Rule::default(),
        top_k: 10,
        seed: 0,
        choices: 1,
        max_tokens: tokens,
        end_tokens: Arc::new([]),
    }
}
