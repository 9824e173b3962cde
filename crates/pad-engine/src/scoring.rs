//! Scoring a given answer: what every lane makes of its tokens, in one prefill.

use std::sync::Arc;

use crate::request::check_lanes;
use crate::{LaneReadout, LaneSpec, Scores, SubmitError};

/// A request to score a given answer. Nothing is generated.
#[derive(Clone, Debug)]
pub struct ScoreRequest {
    /// The base lane, then the reward lanes, as for generating: their prompts end where the answer begins.
    pub lanes: Vec<LaneSpec>,
    /// The answer's tokens; the end token belongs to it where it is complete.
    pub answer: Arc<[u32]>,
}

impl ScoreRequest {
    /// Refuse a request that makes no sense.
    pub(crate) fn check(&self, weights: usize) -> Result<(), SubmitError> {
        check_lanes(&self.lanes, weights)?;
        if self.answer.is_empty() {
            return Err(SubmitError::Invalid("an answer to be scored has at least one token".to_owned()));
        }
        Ok(())
    }

    /// What of the answer runs through the model: the last token predicts nothing that is asked for.
    pub(crate) fn fed(&self) -> &[u32] {
        self.answer.split_last().map_or(&[], |(_, fed)| fed)
    }
}

/// What was read of an answer so far.
#[derive(Clone, Debug)]
pub struct Scoring {
    answer: Arc<[u32]>,
    /// By lanes: how it is read, and the log-probabilities, `[readouts][tokens so far]`.
    lanes: Vec<(Vec<LaneReadout>, Vec<Vec<f32>>)>,
}

impl Scoring {
    pub fn new(request: &ScoreRequest) -> Self {
        let lane = |lane: &LaneSpec| (lane.readouts.clone(), vec![Vec::new(); lane.readouts.len()]);
        Self { answer: Arc::clone(&request.answer), lanes: request.lanes.iter().map(lane).collect() }
    }

    /// The answer's tokens that the rows `[start, end)` of a lane predict; the first of them is predicted by its prompt's last row.
    pub fn targets(&self, prompt: usize, start: usize, end: usize) -> &[u32] {
        let from = |position: usize| (position + 1).saturating_sub(prompt).min(self.answer.len());
        &self.answer[from(start)..from(end)]
    }

    /// How a lane is read.
    pub fn readouts(&self, lane: usize) -> &[LaneReadout] {
        &self.lanes[lane].0
    }

    /// Take what was read of a lane.
    pub fn extend(&mut self, lane: usize, read: Vec<Vec<f32>>) {
        for (all, read) in self.lanes[lane].1.iter_mut().zip(read) {
            all.extend(read);
        }
    }

    /// Forget what was read: the lanes start again.
    pub fn restart(&mut self) {
        self.lanes.iter_mut().flat_map(|(_, read)| read).for_each(Vec::clear);
    }

    /// Everything that was read.
    pub fn scores(&mut self) -> Scores {
        let mut all = self.lanes.iter_mut().flat_map(|(_, read)| std::mem::take(read));
        let base = all.next().unwrap_or_default();
        Scores { base, rewards: all.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_predict_the_tokens_behind_them() {
        let request = ScoreRequest { lanes: vec![LaneSpec::base(vec![1, 2, 3].into())], answer: vec![7, 8, 9].into() };
        let scoring = Scoring::new(&request);
        assert_eq!(scoring.targets(3, 0, 2), [0; 0]);
        assert_eq!(scoring.targets(3, 0, 3), [7]);
        assert_eq!(scoring.targets(3, 2, 4), [7, 8]);
        assert_eq!(scoring.targets(3, 4, 5), [9]);
    }
}
