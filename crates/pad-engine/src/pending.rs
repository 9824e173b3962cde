//! The client's end of work whose result comes as a whole.

use tokio::sync::oneshot;

use crate::ScoreError;

/// The engine's end, which sends one result.
#[derive(Debug)]
pub struct Reply<T>(Option<oneshot::Sender<Result<T, ScoreError>>>);

impl<T> Reply<T> {
    /// Whether the client has gone, or has its result.
    pub fn is_closed(&self) -> bool {
        self.0.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Send the result.
    pub fn send(&mut self, result: T) {
        self.tell(Ok(result));
    }

    /// Report the failure in place of a result.
    pub fn fail(&mut self, why: &str) {
        self.tell(Err(ScoreError::Failed(why.to_owned())));
    }

    /// The receiver may be gone.
    fn tell(&mut self, result: Result<T, ScoreError>) {
        if let Some(client) = self.0.take() {
            let _ = client.send(result);
        }
    }
}

/// A result being computed. Dropping it cancels the work: all its lanes are freed before the next step.
#[derive(Debug)]
pub struct Pending<T> {
    receiver: oneshot::Receiver<Result<T, ScoreError>>,
}

impl<T> Pending<T> {
    /// Both ends.
    pub(crate) fn channel() -> (Reply<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (Reply(Some(sender)), Self { receiver })
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
