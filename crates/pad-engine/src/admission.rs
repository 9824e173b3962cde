//! When a sequence was first admitted, as the engine tells whoever waits for it.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The moment of a sequence's first admission: the end of its time in the queue. Clones show the same moment.
#[derive(Clone, Debug, Default)]
pub struct Admission(Arc<OnceLock<Instant>>);

impl Admission {
    /// When it was; none while the sequence waits.
    pub fn moment(&self) -> Option<Instant> {
        self.0.get().copied()
    }

    /// The sequence is admitted now. Only the first time counts: after a preemption it is admitted again.
    pub(crate) fn note(&self) {
        self.0.get_or_init(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_counts_and_all_clones_see_it() {
        let admission = Admission::default();
        let seen = admission.clone();
        assert_eq!(seen.moment(), None);
        admission.note();
        let first = seen.moment();
        assert!(first.is_some());
        admission.note();
        assert_eq!(seen.moment(), first);
    }
}
