//! The client's end of one choice.

use tokio::sync::mpsc::Receiver;

use crate::{Course, Event};

/// One choice being generated. Dropping it cancels the sequence: all its lanes are freed before the next step.
#[derive(Debug)]
pub struct Choice {
    events: Receiver<Event>,
    course: Course,
}

impl Choice {
    pub(crate) fn new(events: Receiver<Event>, course: Course) -> Self {
        Self { events, course }
    }

    /// What tells what became of it, also when the choice itself is gone.
    pub fn course(&self) -> Course {
        self.course.clone()
    }

    /// The next event; `None` after the last one, or if the worker died.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// How many tokens were generated that nobody has read. Nothing is generated any more, or can be read, after this.
    pub fn unread_tokens(&mut self) -> usize {
        self.events.close();
        std::iter::from_fn(|| self.events.try_recv().ok()).filter(|event| matches!(event, Event::Token(_))).count()
    }

    /// The next event, waiting on this thread. Not for use inside an async runtime.
    pub fn blocking_next(&mut self) -> Option<Event> {
        self.events.blocking_recv()
    }
}
