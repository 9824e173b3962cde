//! Tokens per minute: a bucket that fills steadily and may be overdrawn by one minute's tokens.
//!
//! The length of an answer is known only at its end. So a request is admitted while the bucket is not empty, and takes the most that it
//! may use; the unused part is returned at its end. It may take more than the bucket holds, by at most a minute's worth, and the
//! next request then has to wait: over time no more flows out than in, however much one request asks for.

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

    /// Take `most` tokens, or as many as there may be taken, but not less than `least`: then none, and how long it takes until those
    /// can be taken.
    pub(crate) fn reserve(&self, least: u64, most: u64, now: Instant) -> Result<u64, Duration> {
        let full = f64::from(self.per_minute);
        let taken = self.at(now, |level| {
            let room = (level.tokens + full).max(0.0) as u64;
            let taken = most.min(room);
            if level.tokens < 1.0 || taken < least {
                return None;
            }
            level.tokens -= taken as f64;
            Some(taken)
        });
        taken.ok_or_else(|| self.until((least as f64 - full).clamp(1.0, full), now))
    }

    /// Take tokens that were used already, as far as the bucket may be overdrawn.
    pub(crate) fn spend(&self, tokens: u64, now: Instant) {
        let full = f64::from(self.per_minute);
        self.at(now, |level| level.tokens = (level.tokens - tokens as f64).max(-full));
    }

    /// Give back what was reserved and not used.
    pub(crate) fn give_back(&self, tokens: u64, now: Instant) {
        let full = f64::from(self.per_minute);
        self.at(now, |level| level.tokens = (level.tokens + tokens as f64).min(full));
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
    fn it_fills_steadily_and_may_be_overdrawn_by_a_minutes_tokens() {
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
        bucket.spend(1_000_000, after(1000));
        assert_eq!(bucket.wait(after(1000)), Duration::from_secs(61), "no more than a minute's tokens beyond it");
    }

    #[test]
    fn a_request_takes_what_it_may_use_at_most_and_gives_the_rest_back() {
        let now = Instant::now();
        let bucket = Bucket::new(60, now);
        assert_eq!(bucket.reserve(10, 50, now), Ok(50));
        assert_eq!(bucket.reserve(10, 1000, now), Ok(70), "what is there, and a minute's tokens beyond it");
        assert_eq!(bucket.reserve(1, 1, now), Err(Duration::from_secs(61)));
        bucket.give_back(100, now);
        assert_eq!(bucket.remaining(now), 40);
        assert_eq!(bucket.reserve(101, 200, now), Err(Duration::from_secs(1)), "one more than may be taken now");
        assert_eq!(bucket.reserve(100, 200, now), Ok(100));
        bucket.give_back(1000, now);
        assert_eq!(bucket.remaining(now), 60);
        // A request for more than can ever be taken gets the time until the bucket is full.
        bucket.spend(30, now);
        assert_eq!(bucket.reserve(1000, 1000, now), Err(Duration::from_secs(30)));
    }
}
