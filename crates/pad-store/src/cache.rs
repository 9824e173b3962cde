//! Profiles that were read lately.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::{Profile, Scope};

/// Whose profile, and its name.
type Key = (Scope, String);

/// A profile, or that there is none.
pub(crate) type Found = Option<Arc<Profile>>;

/// Profiles by name, and names that have none. Nothing in it is older than the last change that this process made or heard of.
pub(crate) struct ProfileCache {
    entries: Cache<Key, Found>,
    /// How often something was forgotten. What was read before that is not entered afterwards.
    changes: Mutex<u64>,
}

impl ProfileCache {
    /// An empty cache of so many entries, which are forgotten after `lifetime`.
    pub(crate) fn new(entries: u64, lifetime: Duration) -> Self {
        let entries = Cache::builder().max_capacity(entries).time_to_live(lifetime).build();
        Self { entries, changes: Mutex::new(0) }
    }

    /// The profile, or that there is none; `None` if neither is known.
    pub(crate) fn find(&self, scope: &Scope, name: &str) -> Option<Found> {
        self.entries.get(&(scope.clone(), name.to_owned()))
    }

    /// A mark to be taken before the database is read.
    pub(crate) fn mark(&self) -> u64 {
        *self.changes()
    }

    /// Enter what was read since `mark`, unless something has changed.
    pub(crate) fn fill(&self, scope: &Scope, name: &str, found: Found, mark: u64) {
        let changes = self.changes();
        if *changes == mark {
            self.entries.insert((scope.clone(), name.to_owned()), found);
        }
    }

    /// Forget a profile that was changed.
    pub(crate) fn forget(&self, scope: &Scope, name: &str) {
        let mut changes = self.changes();
        *changes += 1;
        self.entries.invalidate(&(scope.clone(), name.to_owned()));
    }

    /// Forget everything: changes may have been missed.
    pub(crate) fn clear(&self) {
        let mut changes = self.changes();
        *changes += 1;
        self.entries.invalidate_all();
    }

    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_entered_after_it() {
        let cache = ProfileCache::new(10, Duration::from_mins(1));
        let scope = Scope::common();
        let mark = cache.mark();
        cache.fill(&scope, "alice", None, mark);
        assert_eq!(cache.find(&scope, "alice"), Some(None), "that there is none is known, too");
        assert_eq!(cache.find(&Scope::of_owner("other"), "alice"), None);
        cache.forget(&scope, "alice");
        cache.fill(&scope, "alice", None, mark);
        assert_eq!(cache.find(&scope, "alice"), None);
        let mark = cache.mark();
        cache.clear();
        cache.fill(&scope, "alice", None, mark);
        assert_eq!(cache.find(&scope, "alice"), None);
        cache.fill(&scope, "alice", None, cache.mark());
        cache.clear();
        assert_eq!(cache.find(&scope, "alice"), None);
    }
}
