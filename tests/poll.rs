//! Waiting for something to be seen, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take. Far more than is needed, so that a slow machine fails no test.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks, so that looking does not starve what is looked at. Nothing is concluded from this time.
const PACE: Duration = Duration::from_millis(5);

/// Look until there is something to be seen.
///
/// # Panics
/// Where there is nothing when the deadline is over; `what` says what was missing.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "within {PATIENCE:?}: {what}");
        thread::park_timeout(PACE);
    }
}
