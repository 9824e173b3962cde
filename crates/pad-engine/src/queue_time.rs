//! How long sequences waited for their first admission: the counts of a histogram.

use std::time::Duration;

/// Upper bounds of the buckets, in seconds; behind the last one is a bucket for whatever took longer.
pub const QUEUE_TIME_BOUNDS: [f64; 16] =
    [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// The times that sequences waited since the engine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTimes {
    /// Sequences by bucket: at most the bound of the same index and above the one before.
    pub counts: [u64; QUEUE_TIME_BOUNDS.len() + 1],
    /// Microseconds in all.
    pub micros: u64,
}

impl QueueTimes {
    /// Counts a sequence that waited for so long.
    pub(crate) fn record(&mut self, waited: Duration) {
        let seconds = waited.as_secs_f64();
        let bucket = QUEUE_TIME_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(QUEUE_TIME_BOUNDS.len());
        self.counts[bucket] += 1;
        self.micros = self.micros.saturating_add(waited.as_micros() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        let mut times = QueueTimes::default();
        for millis in [0, 1, 2, 120_000, 120_001] {
            times.record(Duration::from_millis(millis));
        }
        assert_eq!((times.counts[0], times.counts[1]), (2, 1));
        assert_eq!((times.counts[15], times.counts[16]), (1, 1));
        assert_eq!((times.counts.iter().sum::<u64>(), times.micros), (5, 240_004_000));
    }
}
