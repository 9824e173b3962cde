//! Concurrent requests with results in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

/// What the workers share: which item is next, and how far the results are taken.
#[derive(Debug)]
struct Cursor {
    next: usize,
    taken: usize,
    stopped: bool,
}

/// Stops the workers when the results are no longer read, whatever the reason.
struct Stop<'a>(&'a Mutex<Cursor>, &'a Condvar);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.1.notify_all();
    }
}

/// Does the work for each item on this many threads. `take` gets the results in the items' order, as soon as they are ready:
/// the number of the first item, and the results of it and of those that follow and are ready as well. At most `ahead` items
/// are begun before their predecessors' results are taken, so that little is lost when the program ends.
///
/// `take` returns whether to go on. What was begun by then is thrown away.
///
/// # Errors
///
/// The first error in the items' order, once the results before it are taken; or that of `take`.
pub fn in_order<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    ahead: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
    mut take: impl FnMut(usize, Vec<R>) -> Result<bool, E>,
) -> Result<(), E> {
    let cursor = Mutex::new(Cursor { next: 0, taken: 0, stopped: false });
    let moved = Condvar::new();
    let locked = || cursor.lock().unwrap_or_else(PoisonError::into_inner);
    let claim = || {
        let mut cursor = locked();
        while !cursor.stopped && cursor.next < items.len() && cursor.next >= cursor.taken + ahead.max(1) {
            cursor = moved.wait(cursor).unwrap_or_else(PoisonError::into_inner);
        }
        let at = cursor.next;
        let open = !cursor.stopped && at < items.len();
        cursor.next += usize::from(open);
        open.then_some(at)
    };
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (send, claim, work) = (send.clone(), &claim, &work);
            scope.spawn(move || {
                while let Some(at) = claim() {
                    // The receiver is closed after an error.
                    if send.send((at, work(&items[at]))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let _stop = Stop(&cursor, &moved);
        let mut ready = BTreeMap::new();
        let mut taken = 0;
        while let Ok((at, result)) = receive.recv() {
            ready.insert(at, result);
            ready.extend(receive.try_iter());
            let (first, mut run) = (taken, Vec::new());
            while let Some(result) = ready.remove(&taken) {
                match result {
                    Ok(result) => run.push(result),
                    Err(error) => return take(first, run).and(Err(error)),
                }
                taken += 1;
            }
            if !run.is_empty() && !take(first, run)? {
                break;
            }
            locked().taken = taken;
            moved.notify_all();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_whoever_is_first() {
        let items: Vec<usize> = (0..100).collect();
        let mut found = Vec::new();
        let take = |first: usize, mut run: Vec<usize>| {
            assert_eq!(first, found.len());
            found.append(&mut run);
            Ok::<_, ()>(true)
        };
        in_order(&items, 7, 14, |item| Ok(2 * item), take).unwrap();
        assert_eq!(found, items.iter().map(|item| 2 * item).collect::<Vec<_>>());
        in_order(&[] as &[u8], 7, 14, |_| Ok::<_, ()>(()), |_, _| Ok(true)).unwrap();
    }

    #[test]
    fn no_more_than_so_many_are_begun_ahead_of_what_is_taken() {
        let taken = AtomicUsize::new(0);
        let work = |item: &usize| {
            let taken = taken.load(Ordering::SeqCst);
            assert!(*item < taken + 3, "{item} was begun when {taken} were taken");
            Ok::<_, ()>(())
        };
        let take = |first, run: Vec<()>| {
            taken.store(first + run.len(), Ordering::SeqCst);
            Ok(true)
        };
        in_order(&(0..200).collect::<Vec<_>>(), 4, 3, work, take).unwrap();
        assert_eq!(taken.into_inner(), 200);
    }

    #[test]
    fn what_is_before_an_error_is_taken_and_nothing_is_begun_after_it() {
        let items: Vec<usize> = (0..1000).collect();
        let (count, mut found) = (Mutex::new(0), Vec::new());
        let work = |item: &usize| {
            *count.lock().unwrap() += 1;
            if *item == 3 { Err(*item) } else { Ok(*item) }
        };
        let take = |_, run: Vec<usize>| {
            found.extend(run);
            Ok(true)
        };
        assert_eq!(in_order(&items, 1, 4, work, take), Err(3));
        assert_eq!(found, [0, 1, 2]);
        assert!(*count.lock().unwrap() <= 8, "at most four are begun ahead of what is taken");
    }

    #[test]
    fn enough_is_enough() {
        let items: Vec<usize> = (0..1000).collect();
        let mut found = 0;
        let take = |_, run: Vec<usize>| {
            found += run.len();
            Ok::<_, ()>(found < 10)
        };
        in_order(&items, 3, 6, |item| Ok(*item), take).unwrap();
        assert!((10..30).contains(&found), "{found}");
    }
}
