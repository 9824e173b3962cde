//! Revisions of one profile, one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::Scope;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Whose turn it is to revise a profile.
///
/// The database has locks of its own. Here those wait who would wait there: without a connection that others need, and without using up
/// the time that the database has to answer.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<(Scope, String), Turn>>);

impl Turns {
    /// Waits for the turn, which ends when the guard is dropped. Who came first is first.
    pub(crate) async fn wait(&self, scope: &Scope, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds or waits for.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry((scope.clone(), name.to_owned())).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_revises_a_profile_at_a_time_and_nothing_is_left_behind() {
        let turns = Turns::default();
        let scope = Scope::common();
        let alice = turns.wait(&scope, "alice").await;
        let bob = turns.wait(&scope, "bob").await;
        let mut next = Box::pin(turns.wait(&scope, "alice"));
        assert!(futures::poll!(&mut next).is_pending(), "another one revises it");
        drop(alice);
        let alice = next.await;
        drop((alice, bob));
        let _carol = turns.wait(&scope, "carol").await;
        assert_eq!(turns.0.lock().expect("turns").len(), 1);
    }
}
