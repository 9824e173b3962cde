//! The base model's final hidden states at every token of the traces.

use std::sync::{Mutex, PoisonError};

use pad_text::Chat;

use super::trace::Trace;
use crate::TrainError;
use crate::backbone::Backbone;
use crate::layout::{Example, Packed, parts};
use crate::progress::Progress;
use crate::states::{States, cut};
use crate::trainer::Stop;
use crate::workers::in_order;

/// Two answers to one prompt, and which ones they are: an odd last one is there twice, and kept once.
struct Twins {
    example: Example,
    answers: [Option<usize>; 2],
}

/// The prompt of each trace through the chat template.
///
/// # Errors
/// [`TrainError::Text`] for a conversation that the template refuses.
pub fn prompts(chat: &Chat, traces: &[Trace]) -> Result<Vec<Vec<u32>>, TrainError> {
    let encode = |trace: &Trace| {
        let messages: Vec<_> = trace.prompt.iter().map(crate::pair::Turn::message).collect();
        Ok(chat.encode(&messages)?)
    };
    traces.iter().map(encode).collect()
}

/// The states that predict the tokens of every answer, answer by answer in the order of the traces. None if stopped.
///
/// # Errors
/// If a token is not in the model's vocabulary, or an operation fails.
pub fn states(
    backbone: &Backbone,
    traces: &[Trace],
    prompts: &[Vec<u32>],
    rows: usize,
    threads: usize,
    progress: Progress,
    stop: Stop<'_>,
) -> Result<Option<Vec<States>>, TrainError> {
    let twins = twins(traces, prompts);
    let progress = Mutex::new(progress);
    let layers = backbone.config().layers;
    let all = in_order(threads, &parts(&twins, rows, |t| t.example.rows()), |part| {
        if stop() {
            return Ok(None);
        }
        let packed = Packed::new(part.iter().map(|t| &t.example), backbone.ropes());
        let x = backbone.layers(backbone.embed(&packed.tokens)?, &packed, 0..layers, None)?;
        let read = backbone.read(&x, &packed)?;
        let states = cut(&read, packed.lengths.iter().flatten().copied())?;
        progress.lock().unwrap_or_else(PoisonError::into_inner).advance(packed.rows(), None);
        let answers = part.iter().flat_map(|t| t.answers);
        Ok(Some(answers.zip(states).filter_map(|(answer, states)| Some((answer?, states))).collect::<Vec<_>>()))
    })?;
    let Some(all) = all.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let mut all: Vec<(usize, States)> = all.into_iter().flatten().collect();
    all.sort_by_key(|(answer, _)| *answer);
    Ok(Some(all.into_iter().map(|(_, states)| states).collect()))
}

/// Rows that [`states`] computes.
pub fn rows(traces: &[Trace], prompts: &[Vec<u32>]) -> usize {
    twins(traces, prompts).iter().map(|t| t.example.rows()).sum()
}

/// All answers, two by two.
fn twins(traces: &[Trace], prompts: &[Vec<u32>]) -> Vec<Twins> {
    let mut all = Vec::new();
    let mut first = 0;
    for (trace, prompt) in traces.iter().zip(prompts) {
        for (at, two) in trace.answers.chunks(2).enumerate() {
            let tokens = |i: usize| two[i.min(two.len() - 1)].tokens.clone();
            let number = first + 2 * at;
            all.push(Twins {
                example: Example { prompt: prompt.clone(), answers: [tokens(0), tokens(1)], dimension: 0 },
                answers: [Some(number), (two.len() == 2).then_some(number + 1)],
            });
        }
        first += trace.answers.len();
    }
    all
}
