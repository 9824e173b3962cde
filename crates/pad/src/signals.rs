//! SIGTERM and SIGINT: the first asks the server to finish, the second to stop at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Listens from the moment it is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over both signals.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the next of the two, and says which it was.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Passes the first signal on to `stop`, and resolves at the second.
    pub async fn stop_twice(&mut self, stop: oneshot::Sender<()>) {
        // Awaited outside of the log's macros, which evaluate nothing when their level is off.
        let signal = self.next().await;
        tracing::info!(signal, "finishing running requests; a second signal stops at once");
        // The other end is gone only if serving is over already.
        let _ = stop.send(());
        let signal = self.next().await;
        tracing::warn!(signal, "stopping at once");
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::task::Poll;

    use super::*;

    /// Sends this process a signal that `Signals` has taken over.
    fn interrupt() {
        let id = std::process::id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().is_ok_and(|status| status.success()));
    }

    /// No log is set up in tests, so that every level is off.
    #[tokio::test]
    async fn the_first_signal_finishes_and_the_second_stops() {
        let mut signals = Signals::new().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let mut twice = Box::pin(signals.stop_twice(stop));
        assert_eq!(poll_once(&mut twice).await, Poll::Pending);
        assert!(stopped.try_recv().is_err());
        interrupt();
        tokio::select! {
            first = &mut stopped => assert!(first.is_ok()),
            () = &mut twice => panic!("one signal is not two"),
        }
        interrupt();
        twice.await;
    }

    /// Polls once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
    }
}
