//! Places in the queue: bounded over all, and shared between owners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Owner, SubmitError};

/// An owner may hold this many times the number of free places: the dynamic threshold of Choudhury and Hahne (1998). One owner
/// alone gets three quarters of all, two get three sevenths each, and a newcomer always finds some.
const SHARE: usize = 3;

/// The places of all sequences that wait or run.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    taken: Mutex<Taken>,
    /// Notified when the last place is freed.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_owner: HashMap<Owner, usize>,
}

/// A place of one sequence; free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    owner: Option<Owner>,
}

impl Places {
    /// So many places, all free.
    pub fn new(limit: usize) -> Self {
        Self { limit, taken: Mutex::default(), empty: Notify::new() }
    }

    /// Places that are taken.
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    /// Places that an owner can hold when nobody else holds one.
    fn most(&self, owner: Option<Owner>) -> usize {
        match owner {
            None => self.limit,
            Some(_) => (self.limit * SHARE / (SHARE + 1)).max(1),
        }
    }

    /// Take places for a request's sequences, or none.
    ///
    /// # Errors
    /// [`SubmitError::TooManyChoices`] for more than can ever be taken, [`SubmitError::QueueFull`], of which the caller knows the figures,
    /// or [`SubmitError::ShareFull`].
    pub fn take(self: &Arc<Self>, owner: Option<Owner>, count: usize) -> Result<Vec<Place>, SubmitError> {
        let most = self.most(owner);
        if count > most {
            return Err(SubmitError::TooManyChoices { asked: count, most });
        }
        let mut taken = self.lock();
        let full = SubmitError::QueueFull { running: 0, waiting: taken.all, limit: self.limit };
        let free = self.limit.checked_sub(taken.all).and_then(|free| free.checked_sub(count)).ok_or(full)?;
        if let Some(owner) = owner {
            let held = taken.by_owner.get(&owner).copied().unwrap_or_default();
            if held + count > (free * SHARE).max(1) {
                return Err(SubmitError::ShareFull { held, asked: count, limit: self.limit });
            }
            taken.by_owner.insert(owner, held + count);
        }
        taken.all += count;
        Ok((0..count).map(|_| Place { places: Arc::clone(self), owner }).collect())
    }

    /// Resolves once no place is taken.
    pub async fn emptied(&self) {
        loop {
            let told = self.empty.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if self.taken() == 0 {
                return;
            }
            told.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(owner) = self.owner
            && let Some(held) = taken.by_owner.get_mut(&owner)
        {
            *held -= 1;
            if *held == 0 {
                taken.by_owner.remove(&owner);
            }
        }
        if taken.all == 0 {
            self.places.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(number: u8) -> Owner {
        Owner([number; 32])
    }

    /// How many places an owner gets, one by one.
    fn greedy(places: &Arc<Places>, owner: Owner) -> Vec<Place> {
        std::iter::from_fn(|| places.take(Some(owner), 1).ok()?.pop()).collect()
    }

    #[test]
    fn no_owner_takes_all_and_a_newcomer_finds_some() {
        let places = Arc::new(Places::new(256));
        let first = greedy(&places, owner(1));
        assert_eq!(first.len(), 192, "three quarters");
        let second = greedy(&places, owner(2));
        assert_eq!(second.len(), 48, "three quarters of what is left");
        assert!(!greedy(&places, owner(3)).is_empty());
        drop(first);
        assert!(greedy(&places, owner(2)).len() > 100, "shares grow when others leave");
    }

    #[test]
    fn requests_are_taken_whole_or_not_at_all() {
        let places = Arc::new(Places::new(256));
        let of_owner = |asked| places.take(Some(owner(1)), asked);
        assert!(matches!(of_owner(193), Err(SubmitError::TooManyChoices { asked: 193, most: 192 })));
        assert!(matches!(places.take(None, 257), Err(SubmitError::TooManyChoices { asked: 257, most: 256 })));
        assert_eq!(places.taken(), 0);
        let held = of_owner(192).unwrap();
        assert_eq!(held.len(), 192);
        assert!(matches!(of_owner(1), Err(SubmitError::ShareFull { held: 192, asked: 1, limit: 256 })));
        assert!(matches!(places.take(None, 65), Err(SubmitError::QueueFull { .. })));
        drop(held);
        assert_eq!(places.take(None, 256).unwrap().len(), 256, "where nobody is told apart the whole queue is theirs");
    }

    #[test]
    fn the_smallest_queue_still_takes_one() {
        let places = Arc::new(Places::new(1));
        let held = places.take(Some(owner(1)), 1).unwrap();
        assert!(places.take(Some(owner(2)), 1).is_err());
        drop(held);
        assert!(places.take(Some(owner(2)), 1).is_ok());
    }

    #[tokio::test]
    async fn the_last_place_that_is_given_back_is_told() {
        let places = Arc::new(Places::new(4));
        let held = places.take(Some(owner(1)), 2).unwrap();
        let waits = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.emptied().await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(held);
        waits.await.unwrap();
    }
}
