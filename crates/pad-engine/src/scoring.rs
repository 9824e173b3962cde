//! Scoring a given answer: the log-probabilities of its tokens in every lane, in one prefill.

use std::sync::Arc;

use pad_decode::CANDIDATES;

use crate::lane_spec::check_lanes;
use crate::pending::Reply;
use crate::sides::LaneAnswer;
use crate::{LaneReadout, LaneSpec, ScoreReadouts, Scores, SubmitError, Tenant};

/// An answer that was scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The log-probabilities of its tokens.
    pub scores: Scores,
    /// Prompt tokens of the base lane that were found in the KV cache rather than computed.
    pub cached_tokens: usize,
}

/// Tokens that may be told in each one's place.
const MOST_TOP: usize = *CANDIDATES.end();

/// A request to score a given answer. Nothing is generated.
#[derive(Clone, Debug)]
pub struct ScoreRequest {
    /// The base lane, then the reward lanes, as for generating: their prompts end where the answer begins.
    pub lanes: Vec<LaneSpec>,
    /// The answer's tokens; the end token belongs to it where it is complete.
    pub answer: Arc<[u32]>,
    /// Whose it is.
    pub tenant: Tenant,
    /// How many of the base model's best tokens to tell in each one's place; at most the largest of [`CANDIDATES`].
    pub top: usize,
}

impl ScoreRequest {
    /// Refuse a request that makes no sense.
    pub(crate) fn check(&self, weights: usize) -> Result<(), SubmitError> {
        check_lanes(&self.lanes, weights)?;
        if self.answer.is_empty() {
            return Err(SubmitError::Invalid("an answer to be scored has at least one token".to_owned()));
        }
        if self.top > MOST_TOP {
            return Err(SubmitError::Invalid(format!("top is {}, allowed is 0 to {MOST_TOP}", self.top)));
        }
        Ok(())
    }
}

/// What was read of an answer so far, and where it goes.
#[derive(Debug)]
pub struct Scoring {
    /// The lanes.
    lanes: Vec<LaneScores>,
    /// Tokens of the answer.
    tokens: usize,
    /// How many of the best tokens are reported at each position.
    top: usize,
    /// The base lane's best tokens so far.
    best: Vec<Vec<(u32, f32)>>,
    client: Reply<Scored>,
}

/// What was read of a lane.
#[derive(Debug)]
struct LaneScores {
    /// The answer in the lane's tokens.
    answer: LaneAnswer,
    /// How it is read.
    readouts: Vec<LaneReadout>,
    /// The log-probabilities, `[readouts][tokens so far]`.
    read: Vec<Vec<f32>>,
}

impl Scoring {
    /// An answer, by lanes, of which nothing was read yet.
    pub fn new(request: &ScoreRequest, answers: Vec<LaneAnswer>, client: Reply<Scored>) -> Self {
        let lane = |(lane, answer): (&LaneSpec, LaneAnswer)| {
            let readouts = lane.readouts.clone();
            LaneScores { answer, read: vec![Vec::new(); readouts.len()], readouts }
        };
        let lanes = request.lanes.iter().zip(answers).map(lane).collect();
        Self { lanes, tokens: request.answer.len(), top: request.top, best: Vec::new(), client }
    }

    /// The answer's tokens that the rows `[start, end)` of a lane predict; the first of them is predicted by its prompt's last row.
    pub fn targets(&self, lane: usize, prompt: usize, start: usize, end: usize) -> &[u32] {
        let answer = self.lanes[lane].answer.tokens();
        let from = |position: usize| (position + 1).saturating_sub(prompt).min(answer.len());
        &answer[from(start)..from(end)]
    }

    /// How a lane is read.
    pub fn readouts(&self, lane: usize) -> &[LaneReadout] {
        &self.lanes[lane].readouts
    }

    /// How many of the best tokens are reported for a lane: only for the base lane.
    pub fn top(&self, lane: usize) -> usize {
        if lane == 0 { self.top } else { 0 }
    }

    /// Take what was read of a lane.
    pub fn extend(&mut self, lane: usize, read: ScoreReadouts) {
        for (all, read) in self.lanes[lane].read.iter_mut().zip(read.logprobs) {
            all.extend(read);
        }
        if lane == 0 {
            self.best.extend(read.best);
        }
    }

    /// Forget what was read: the lanes start again.
    pub fn restart(&mut self) {
        self.lanes.iter_mut().flat_map(|lane| &mut lane.read).for_each(Vec::clear);
        self.best.clear();
    }

    /// Whether the client has disconnected.
    pub fn is_cancelled(&self) -> bool {
        self.client.is_closed()
    }

    /// Send everything that was read.
    pub fn finish(&mut self, cached_tokens: usize) {
        let tokens = self.tokens;
        let mut all = self.lanes.iter_mut().flat_map(|LaneScores { answer, read, .. }| {
            std::mem::take(read).into_iter().map(move |logprobs| answer.by_token(logprobs, tokens))
        });
        let base = all.next().unwrap_or_default();
        let scores = Scores { base, rewards: all.collect(), best: std::mem::take(&mut self.best) };
        self.client.send(Scored { scores, cached_tokens });
    }

    /// Report the failure in place of a result.
    pub fn fail(&mut self, why: &str) {
        self.client.fail(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_predict_the_tokens_behind_them() {
        let lanes = vec![LaneSpec::base(vec![1, 2, 3].into())];
        let request = ScoreRequest { lanes, answer: vec![7, 8, 9].into(), top: 0, tenant: Tenant::default() };
        let answers = vec![LaneAnswer::Same(Arc::clone(&request.answer))];
        let scoring = Scoring::new(&request, answers, crate::Pending::channel().0);
        assert_eq!(scoring.targets(0, 3, 0, 2), [0; 0]);
        assert_eq!(scoring.targets(0, 3, 0, 3), [7]);
        assert_eq!(scoring.targets(0, 3, 2, 4), [7, 8]);
        assert_eq!(scoring.targets(0, 3, 4, 5), [9]);
    }
}
