//! The client's end of a scoring.

use tokio::sync::oneshot;

use crate::{ScoreError, Scores};

/// The engine's end.
pub type ScoresSender = oneshot::Sender<Result<Scored, ScoreError>>;

/// An answer that was scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The log-probabilities of its tokens.
    pub scores: Scores,
    /// Prompt tokens of the base lane that were found in the KV cache rather than computed.
    pub cached_tokens: usize,
}

/// An answer being scored. Dropping it cancels the scoring: all its lanes are freed before the next step.
#[derive(Debug)]
pub struct PendingScores {
    receiver: oneshot::Receiver<Result<Scored, ScoreError>>,
}

impl PendingScores {
    pub(crate) fn new(receiver: oneshot::Receiver<Result<Scored, ScoreError>>) -> Self {
        Self { receiver }
    }

    /// The scores, once all of the answer is read.
    ///
    /// # Errors
    /// If a step failed, or the worker ended.
    pub async fn scored(self) -> Result<Scored, ScoreError> {
        self.receiver.await.unwrap_or(Err(ScoreError::Dead))
    }

    /// The same, waiting on this thread. Not for use inside an async runtime.
    ///
    /// # Errors
    /// As for [`Self::scored`].
    pub fn blocking_scored(self) -> Result<Scored, ScoreError> {
        self.receiver.blocking_recv().unwrap_or(Err(ScoreError::Dead))
    }
}
