//! Counters of the scheduler.

use std::time::Duration;

use crate::QueueTimes;

/// Counters of what the scheduler did; see [`crate::Status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub prefilled: u64,
    pub cached: u64,
    pub generated: u64,
    pub steered: u64,
    pub reward_rows: u64,
    pub reward_time: Duration,
    pub finished: u64,
    pub cancelled: u64,
    pub preempted: u64,
    pub failed: u64,
    pub queue_times: QueueTimes,
}
