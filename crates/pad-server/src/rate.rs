//! Tokens per minute: a bucket that fills steadily and may be overdrawn.
//!
//! How long an answer gets is known only when it is there. So a request is let in while the bucket has something, and pays as it
//! goes; what it takes beyond the bucket keeps the next request waiting. Over time no more flows out than in, and no request is
//! refused for what it might have cost.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A key's tokens.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_minute: u32,
    level: Mutex<Level>,
}

/// What was there at a time.
#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket of one minute's tokens.
    pub(crate) fn new(per_minute: u32, now: Instant) -> Self {
        let per_minute = per_minute.max(1);
        Self { per_minute, level: Mutex::new(Level { tokens: f64::from(per_minute), at: now }) }
    }

    /// Tokens that flow in within a minute, and that it holds at most.
    pub(crate) fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Take tokens, whether they are there or not.
    pub(crate) fn spend(&self, tokens: u64, now: Instant) {
        self.at(now, |level| level.tokens -= tokens as f64);
    }

    /// What is there; 0 where it is overdrawn.
    pub(crate) fn remaining(&self, now: Instant) -> u64 {
        self.at(now, |level| level.tokens.max(0.0) as u64)
    }

    /// How long it takes until there is a token; nothing where there is one.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.until(1.0, now)
    }

    /// How long it takes until it is full.
    pub(crate) fn until_full(&self, now: Instant) -> Duration {
        self.until(f64::from(self.per_minute), now)
    }

    fn until(&self, tokens: f64, now: Instant) -> Duration {
        let missing = self.at(now, |level| (tokens - level.tokens).max(0.0));
        Duration::from_secs_f64(missing * 60.0 / f64::from(self.per_minute))
    }

    fn at<T>(&self, now: Instant, read: impl FnOnce(&mut Level) -> T) -> T {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let full = f64::from(self.per_minute);
        let flowed = now.saturating_duration_since(level.at).as_secs_f64() * full / 60.0;
        *level = Level { tokens: (level.tokens + flowed).min(full), at: level.at.max(now) };
        read(&mut level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_steadily_and_may_be_overdrawn() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let bucket = Bucket::new(60, begin);
        assert_eq!((bucket.remaining(begin), bucket.wait(begin)), (60, Duration::ZERO));
        bucket.spend(90, begin);
        assert_eq!((bucket.remaining(begin), bucket.wait(begin)), (0, Duration::from_secs(31)));
        assert_eq!(bucket.wait(after(30)), Duration::from_secs(1));
        assert_eq!((bucket.wait(after(31)), bucket.remaining(after(31))), (Duration::ZERO, 1));
        assert_eq!(bucket.until_full(after(31)), Duration::from_secs(59));
        assert_eq!(bucket.remaining(after(1000)), 60, "it holds a minute's tokens");
        // A clock that was read earlier changes nothing.
        assert_eq!(bucket.remaining(begin), 60);
    }
}
