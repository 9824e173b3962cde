//! The phases of the server, from serving to stopped.

use std::sync::Arc;

use tokio::sync::watch;

/// What the server does at the moment; it only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Requests are taken and answered.
    #[default]
    Serving,
    /// They still are, and `/ready` says that this ends soon.
    Leaving,
    /// No request is taken; those that were are answered.
    Draining,
    /// Answers that are not complete are interrupted.
    Interrupting,
}

/// The current phase, which any waiting task can observe.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<watch::Sender<Phase>>);

impl Lifecycle {
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Go forward to a phase, or stay in a later one.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = *current < phase;
            *current = phase.max(*current);
            forward
        });
    }

    /// Resolves once the server is in this phase or in a later one.
    pub(crate) async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|current| *current >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn it_goes_forward_only() {
        let lifecycle = Lifecycle::default();
        assert!(lifecycle.reached(Phase::Serving).now_or_never().is_some());
        assert!(lifecycle.reached(Phase::Draining).now_or_never().is_none());
        lifecycle.clone().enter(Phase::Draining);
        lifecycle.enter(Phase::Leaving);
        assert_eq!(lifecycle.phase(), Phase::Draining);
        assert!(lifecycle.reached(Phase::Leaving).now_or_never().is_some());
        assert!(lifecycle.reached(Phase::Interrupting).now_or_never().is_none());
    }
}
