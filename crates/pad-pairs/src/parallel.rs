//! Several requests in flight.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does the work for each item on so many threads, and gives the results in the items' order. After an error no further item
/// is begun, and the first error in that order is returned.
pub fn in_parallel<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = work(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    // Nothing can fail while the lock is held.
                    if let Ok(mut done) = done.lock() {
                        done.push((at, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order() {
        let items: Vec<usize> = (0..100).collect();
        let doubled: Result<Vec<usize>, ()> = in_parallel(&items, 7, |item| Ok(2 * item));
        assert_eq!(doubled.unwrap(), items.iter().map(|item| 2 * item).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[], 7, |_: &u8| Err::<(), ()>(())), Ok(vec![]));
    }

    #[test]
    fn an_error_ends_it() {
        let count = AtomicUsize::new(0);
        let work = |item: &usize| {
            count.fetch_add(1, Ordering::Relaxed);
            if *item == 3 { Err(*item) } else { Ok(()) }
        };
        assert_eq!(in_parallel(&(0..1000).collect::<Vec<_>>(), 1, work), Err(3));
        assert_eq!(count.into_inner(), 4);
    }
}
