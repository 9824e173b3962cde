//! Arrival times of the tokens of a request, for the histograms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pad_api::FinishReason;

use super::reader::TokenFacts;
use crate::metrics::Metrics;

/// A request's clock. Dropped before the request ended or failed, it counts a client that went away.
pub(crate) struct Timing {
    metrics: Arc<Metrics>,
    arrived: Instant,
    /// When each choice's last token came.
    last: Vec<Option<Instant>>,
    over: bool,
}

impl Timing {
    /// The clock of a request that was admitted.
    pub(crate) fn new(metrics: Arc<Metrics>, arrived: Instant, choices: usize) -> Self {
        Self { metrics, arrived, last: vec![None; choices], over: false }
    }

    /// A token of choice `index` came.
    pub(crate) fn token(&mut self, index: usize, token: TokenFacts) {
        self.metrics.token(token.steered, token.kl);
        let now = Instant::now();
        match self.last.get_mut(index).and_then(|last| last.replace(now)) {
            None => self.metrics.first_token(now - self.arrived),
            Some(last) => self.metrics.next_token(now - last),
        }
    }

    /// A choice ended well.
    pub(crate) fn choice_ended(&self, reason: FinishReason) {
        self.metrics.choice_ended(reason);
    }

    /// All choices ended well; the time since the request arrived.
    pub(crate) fn request_ended(&mut self) -> Duration {
        self.over = true;
        let took = self.arrived.elapsed();
        self.metrics.request_ended(took);
        took
    }

    /// The request failed, which is not the client's doing.
    pub(crate) fn failed(&mut self) {
        self.over = true;
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if !self.over {
            self.metrics.disconnected();
        }
    }
}
