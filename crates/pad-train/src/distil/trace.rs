//! Traces of steered answers, as files store them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::TrainError;
use crate::pair::Turn;

/// One line of a file: the answers to one prompt.
#[derive(Clone, Debug, Deserialize)]
pub struct Trace {
    /// The same for the same conversation.
    pub prompt_id: String,
    /// The conversation, the last message the user's.
    pub prompt: Vec<Turn>,
    /// Names of the dimensions, in the order of the rewards.
    pub dimensions: Vec<String>,
    /// Answers that were sampled with several preferences.
    pub answers: Vec<TracedAnswer>,
}

/// One answer, token by token.
#[derive(Clone, Debug, Deserialize)]
pub struct TracedAnswer {
    /// Its tokens, with the one that ends the turn if it is whole.
    pub tokens: Vec<u32>,
    /// What each was chosen from.
    pub steps: Vec<TracedStep>,
}

/// The candidates of one token.
#[derive(Clone, Debug, Deserialize)]
pub struct TracedStep {
    /// Their ids, `[k]`.
    pub candidates: Vec<u32>,
    /// Their log-probabilities under the base model in nats, `[k]`.
    pub base: Vec<f32>,
    /// Their rewards in each dimension in nats, `[dimensions][k]`.
    pub rewards: Vec<Vec<f32>>,
}

impl Trace {
    fn check(&self) -> Result<(), String> {
        if self.prompt.last().is_none_or(|turn| turn.role != "user") {
            return Err("prompt: the last message is not the user's".to_owned());
        }
        if self.dimensions.is_empty() {
            return Err("dimensions: none".to_owned());
        }
        self.answers.iter().try_for_each(|answer| answer.check(self.dimensions.len()))
    }
}

impl TracedAnswer {
    fn check(&self, dimensions: usize) -> Result<(), String> {
        if self.tokens.is_empty() || self.tokens.len() != self.steps.len() {
            return Err(format!("answers: {} tokens with {} steps", self.tokens.len(), self.steps.len()));
        }
        for TracedStep { candidates, base, rewards } in &self.steps {
            let k = candidates.len();
            if k == 0 || base.len() != k || rewards.len() != dimensions || rewards.iter().any(|of| of.len() != k) {
                return Err(format!(
                    "steps: {k} candidates have not a base log-probability and {dimensions} rewards each"
                ));
            }
            if !base.iter().chain(rewards.iter().flatten()).all(|value| value.is_finite()) {
                return Err("steps: a number is not finite".to_owned());
            }
        }
        Ok(())
    }
}

/// The traces of a JSONL file.
///
/// # Errors
/// [`TrainError::Io`], or [`TrainError::Line`] naming the line and the field; all lines must have the same dimensions.
pub fn read(path: &Path) -> Result<Vec<Trace>, TrainError> {
    let file = File::open(path).map_err(TrainError::io(path))?;
    let mut traces: Vec<Trace> = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(TrainError::io(path))?;
        if line.trim().is_empty() {
            continue;
        }
        let fail = |message| TrainError::Line { path: path.to_owned(), line: index + 1, message };
        let mut json = serde_json::Deserializer::from_str(&line);
        let trace: Trace = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| fail(format!("{}: {}", error.path(), error.inner())))?;
        trace.check().map_err(fail)?;
        if let Some(first) = traces.first().filter(|first| first.dimensions != trace.dimensions) {
            let (theirs, ours) = (first.dimensions.join(", "), trace.dimensions.join(", "));
            return Err(fail(format!("dimensions: {ours}; the lines before have {theirs}")));
        }
        traces.push(trace);
    }
    Ok(traces)
}
