//! Counts the tokens that a request's choices have generated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count that clones share: of tokens, each times the lanes that it ran through.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenMeter {
    used: Arc<AtomicU64>,
    lanes: u64,
}

impl TokenMeter {
    /// The same count, for tokens that each run through so many lanes.
    pub(crate) fn of_lanes(&self, lanes: u64) -> Self {
        Self { used: Arc::clone(&self.used), lanes }
    }

    /// So many tokens were generated.
    pub(crate) fn count(&self, tokens: usize) {
        self.add(self.lanes * tokens as u64);
    }

    /// So many rows were computed.
    pub(crate) fn add(&self, rows: u64) {
        self.used.fetch_add(rows, Ordering::Relaxed);
    }

    /// Everything that was counted.
    pub(crate) fn total(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
