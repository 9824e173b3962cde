//! The client's end of work whose result comes as a whole.

use tokio::sync::oneshot;

use crate::ScoreError;

/// The engine's end.
pub type ResultSender<T> = oneshot::Sender<Result<T, ScoreError>>;

/// A result being computed. Dropping it cancels the work: all its lanes are freed before the next step.
#[derive(Debug)]
pub struct Pending<T> {
    receiver: oneshot::Receiver<Result<T, ScoreError>>,
}

impl<T> Pending<T> {
    /// Both ends.
    pub(crate) fn channel() -> (ResultSender<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self { receiver })
    }

    /// The result, once all of the answer or text is read.
    ///
    /// # Errors
    /// If a step failed, or the worker ended.
    pub async fn result(self) -> Result<T, ScoreError> {
        self.receiver.await.unwrap_or(Err(ScoreError::Dead))
    }

    /// The same, waiting on this thread. Not for use inside an async runtime.
    ///
    /// # Errors
    /// As for [`Self::result`].
    pub fn blocking_result(self) -> Result<T, ScoreError> {
        self.receiver.blocking_recv().unwrap_or(Err(ScoreError::Dead))
    }
}
