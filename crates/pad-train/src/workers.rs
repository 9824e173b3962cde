//! Independent pieces of work on several threads, each piece on one.
//!
//! A piece is a whole pass over some pairs, seconds long, so threads synchronise once per step and not in every operation: a thread that
//! loses its core for a while delays only its own piece.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::TrainError;

/// `work` of every item, in the items' order whatever the threads do. The first error in that order ends it.
///
/// # Errors
/// What `work` says.
pub fn in_order<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, TrainError> + Sync,
) -> Result<Vec<R>, TrainError> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Result<R, TrainError>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            *done[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(run)));
        run();
    });
    // Pieces that were not begun lie behind one that failed.
    done.into_iter().filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_error_comes_through() {
        let items: Vec<usize> = (0..50).collect();
        for threads in [1, 4] {
            let doubled = in_order(threads, &items, |i| Ok(2 * i)).unwrap();
            assert_eq!(doubled, items.iter().map(|i| 2 * i).collect::<Vec<_>>());
            let fails = |i: &usize| if *i == 20 { Err(TrainError::Diverged("on purpose".into())) } else { Ok(*i) };
            assert!(in_order(threads, &items, fails).is_err());
        }
    }
}
