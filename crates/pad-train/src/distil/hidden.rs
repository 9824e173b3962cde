//! The base model's final hidden states at every token of the traces, computed as the server computes them: heads read these.

use pad_model::{BLOCK, LaneChunk, Model};
use pad_text::Chat;

use super::trace::Trace;
use crate::TrainError;
use crate::layout::parts;
use crate::progress::Progress;
use crate::states::{States, cut};
use crate::trainer::Stop;

/// An answer behind its prompt.
struct Lane {
    /// All tokens but the last one, which predicts none of them.
    tokens: Vec<u32>,
    /// Tokens of the answer: so many states are read, from that of the prompt's last token on.
    read: usize,
}

impl Lane {
    fn blocks(&self) -> usize {
        self.tokens.len().div_ceil(BLOCK)
    }
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

/// The states that predict the tokens of every answer, answer by answer in the order of the traces, about `rows` tokens in one batch.
/// None if stopped.
///
/// # Errors
/// If a token is not in the model's vocabulary, or an operation fails.
pub fn states(
    model: &Model,
    traces: &[Trace],
    prompts: &[Vec<u32>],
    rows: usize,
    mut progress: Progress,
    stop: Stop<'_>,
) -> Result<Option<Vec<States>>, TrainError> {
    let lanes = lanes(traces, prompts);
    let batches = parts(&lanes, rows, |lane| lane.tokens.len());
    let needed = |batch: &&[Lane]| batch.iter().map(Lane::blocks).sum::<usize>();
    let cache = model.kv_cache(batches.iter().map(needed).max().unwrap_or_default())?;
    let mut all = Vec::with_capacity(lanes.len());
    for batch in batches {
        if stop() {
            return Ok(None);
        }
        let mut free = 0..;
        let tables: Vec<Vec<u32>> = batch.iter().map(|lane| free.by_ref().take(lane.blocks()).collect()).collect();
        let chunks: Vec<LaneChunk<'_>> = batch
            .iter()
            .zip(&tables)
            .map(|(lane, blocks)| LaneChunk::new(&lane.tokens, 0, blocks, lane.read))
            .collect();
        let hidden = model.forward(&chunks, &cache)?;
        all.extend(cut(&hidden.0, batch.iter().map(|lane| lane.read))?);
        progress.advance(batch.iter().map(|lane| lane.tokens.len()).sum(), None);
    }
    Ok(Some(all))
}

/// Rows that [`states`] computes.
pub fn rows(traces: &[Trace], prompts: &[Vec<u32>]) -> usize {
    lanes(traces, prompts).iter().map(|lane| lane.tokens.len()).sum()
}

fn lanes(traces: &[Trace], prompts: &[Vec<u32>]) -> Vec<Lane> {
    let of = |(trace, prompt): (&Trace, &Vec<u32>)| {
        let lane = |answer: &Vec<u32>| {
            let kept = answer.len().saturating_sub(1);
            Lane { tokens: prompt.iter().chain(&answer[..kept]).copied().collect(), read: answer.len() }
        };
        trace.answers.iter().map(|answer| lane(&answer.tokens)).collect::<Vec<_>>()
    };
    traces.iter().zip(prompts).flat_map(of).collect()
}
