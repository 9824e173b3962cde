//! What became of a choice so far, as the engine tells whoever waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The course of a choice: when it was admitted, and how long reward lanes held it up. Clones show the same one.
#[derive(Clone, Debug, Default)]
pub struct Course(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    admitted: Option<Instant>,
    reading: RewardTime,
    choosing: RewardTime,
}

/// How much of the time of a choice's steps went to reward lanes: all of those that ran in these steps, as the choice waited for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RewardTime {
    /// That time, the steps together.
    pub spent: Duration,
    /// How many of its steps ran reward lanes of its own, or read rewards for it; the time is of these.
    pub steps: u64,
}

impl Course {
    /// The moment of its first admission, the end of its time in the queue; none while it waits.
    pub fn admitted(&self) -> Option<Instant> {
        self.noted().admitted
    }

    /// Reward lanes up to its first token: while its prompts were read.
    pub fn rewards_reading(&self) -> RewardTime {
        self.noted().reading
    }

    /// Reward lanes since its first token.
    pub fn rewards_choosing(&self) -> RewardTime {
        self.noted().choosing
    }

    /// The sequence is admitted now. Only the first time counts: after a preemption it is admitted again.
    pub(crate) fn admit(&self) {
        self.noted().admitted.get_or_insert_with(Instant::now);
    }

    /// A step of it took so long for reward lanes; `reading`: no token was chosen before.
    pub(crate) fn step(&self, reading: bool, spent: Duration) {
        let mut noted = self.noted();
        let time = if reading { &mut noted.reading } else { &mut noted.choosing };
        time.spent += spent;
        time.steps += 1;
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_counts_and_all_clones_see_it() {
        let course = Course::default();
        let seen = course.clone();
        assert_eq!(seen.admitted(), None);
        course.admit();
        let first = seen.admitted();
        assert!(first.is_some());
        course.admit();
        assert_eq!(seen.admitted(), first);
    }

    #[test]
    fn steps_before_and_after_the_first_token_are_told_apart() {
        let course = Course::default();
        for (reading, millis) in [(true, 5), (false, 2), (false, 1)] {
            course.step(reading, Duration::from_millis(millis));
        }
        let time = |millis, steps| RewardTime { spent: Duration::from_millis(millis), steps };
        assert_eq!((course.rewards_reading(), course.rewards_choosing()), (time(5, 1), time(3, 2)));
    }
}
