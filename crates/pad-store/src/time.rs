//! Times as the database keeps them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The current time in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The current time, or as little later as it takes to be later than every earlier one of this process: an order.
pub(crate) fn unique_now() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = now();
    let before = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
    before.map_or(now, |last| now.max(last + 1))
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
