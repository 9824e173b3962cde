//! The client's end of one choice.

use tokio::sync::mpsc::Receiver;

use crate::Event;

/// One choice being generated. Dropping it cancels the sequence: all its lanes are freed before the next step.
#[derive(Debug)]
pub struct Choice {
    events: Receiver<Event>,
}

impl Choice {
    pub(crate) fn new(events: Receiver<Event>) -> Self {
        Self { events }
    }

    /// The next event; `None` after the last one, or if the worker died.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The next event, waiting on this thread. Not for use inside an async runtime.
    pub fn blocking_next(&mut self) -> Option<Event> {
        self.events.blocking_recv()
    }
}
