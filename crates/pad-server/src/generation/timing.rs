//! When a request's tokens came: for the histograms, and as the phases of its span.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pad_api::FinishReason;
use pad_engine::{Course, RewardTime};

use super::reader::TokenFacts;
use crate::metrics::Metrics;
use crate::spans::{Outcome, PhaseKind, SpanRecorder};

/// A request's clock. Dropped before the request ended or failed, it counts a client that went away.
pub(crate) struct Timing {
    metrics: Arc<Metrics>,
    arrived: Instant,
    /// When the engine was given the request.
    submitted: Instant,
    /// What the engine tells of each choice; none where it is asked for none.
    courses: Vec<Course>,
    /// When the first token of any choice came.
    first: Option<Instant>,
    /// When each choice's last token came.
    last: Vec<Option<Instant>>,
    /// Why choices ended, in the order in which they did.
    finish_reasons: Vec<FinishReason>,
    /// When it was over, and how; none while it runs.
    over: Option<(Instant, Outcome)>,
}

impl Timing {
    /// The clock of a request that was admitted to the queue: `submitted` then, by so many `choices`, whose `courses` the engine tells.
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        arrived: Instant,
        submitted: Instant,
        choices: usize,
        courses: Vec<Course>,
    ) -> Self {
        let last = vec![None; choices];
        Self { metrics, arrived, submitted, courses, first: None, last, finish_reasons: Vec::new(), over: None }
    }

    /// A token of choice `index` came.
    pub(crate) fn token(&mut self, index: usize, token: TokenFacts) {
        self.metrics.token(token.steered, token.kl);
        let now = Instant::now();
        self.first.get_or_insert(now);
        match self.last.get_mut(index).and_then(|last| last.replace(now)) {
            None => self.metrics.first_token(now - self.arrived),
            Some(last) => self.metrics.next_token(now - last),
        }
    }

    /// A choice ended well.
    pub(crate) fn choice_ended(&mut self, reason: FinishReason) {
        self.metrics.choice_ended(reason);
        self.finish_reasons.push(reason);
    }

    /// All choices ended well; the time since the request arrived.
    pub(crate) fn request_ended(&mut self) -> Duration {
        let now = Instant::now();
        self.over = Some((now, Outcome::Complete));
        let took = now - self.arrived;
        self.metrics.request_ended(took);
        took
    }

    /// The request failed, which is not the client's doing.
    pub(crate) fn failed(&mut self) {
        self.over = Some((Instant::now(), Outcome::Failed));
    }

    /// Why choices ended so far, in the order in which they did.
    pub(crate) fn finish_reasons(&self) -> &[FinishReason] {
        &self.finish_reasons
    }

    /// How the request ended, if it is let go now.
    pub(crate) fn outcome(&self) -> Outcome {
        self.over.map_or(Outcome::Disconnected, |(_, outcome)| outcome)
    }

    /// Tell the phases that the request went through until it was over, or until now.
    pub(crate) fn tell(&self, recorder: &SpanRecorder) {
        let end = self.over.map_or_else(Instant::now, |(at, _)| at);
        recorder.prepared(self.submitted);
        if self.courses.is_empty() {
            return;
        }
        let admitted = self.courses.iter().filter_map(Course::admitted).min();
        recorder.phase(PhaseKind::Queue, self.submitted, admitted.unwrap_or(end));
        let Some(admitted) = admitted else { return };
        let rewards = self.longest(Course::rewards_reading);
        recorder.steered_phase(PhaseKind::Prefill, admitted, self.first.unwrap_or(end), rewards);
        let Some(first) = self.first else { return };
        recorder.steered_phase(PhaseKind::Decode, first, end, self.longest(Course::rewards_choosing));
    }

    /// Choices run side by side, in the same steps: of what reward lanes took, the most that one of them waited.
    fn longest(&self, of: fn(&Course) -> RewardTime) -> RewardTime {
        self.courses.iter().map(of).max_by_key(|time| time.spent).unwrap_or_default()
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if self.over.is_none() {
            self.metrics.disconnected();
        }
    }
}
