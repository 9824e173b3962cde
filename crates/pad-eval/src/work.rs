//! Concurrent requests, and their progress.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::EvalError;

/// Does `work` for all items in order, `threads` of them at once; each result is passed to `done` as it arrives.
/// The first error ends it, once what was begun is over.
///
/// # Errors
///
/// That of an item, or of `done`.
pub fn each<T: Sync, R: Send>(
    what: &str,
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, EvalError> + Sync,
    done: impl FnMut(R) -> Result<(), EvalError> + Send,
) -> Result<(), EvalError> {
    let bar = bar(what, items.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new((done, None));
    let stop = || next.store(items.len(), Ordering::Relaxed);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed).min(items.len())) {
            let result = work(item);
            // A thread that panicked while it held the lock has ended the scope already.
            let Ok(mut done) = done.lock() else { return };
            let (take, failure) = &mut *done;
            match result.and_then(take) {
                Ok(()) => bar.inc(1),
                Err(error) => {
                    failure.get_or_insert(error);
                    stop();
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(run);
        }
    });
    bar.finish_and_clear();
    let failure = done.into_inner().map_or(None, |(_, failure)| failure);
    failure.map_or(Ok(()), Err)
}

/// A progress bar; none if standard error is not a terminal.
fn bar(what: &str, length: usize) -> ProgressBar {
    if length == 0 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} ({per_sec}, {eta} left)");
    ProgressBar::new(length as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn all_items_are_done_side_by_side() {
        let items: Vec<usize> = (0..12).collect();
        // Would wait for ever if fewer than three ran at once.
        let together = Barrier::new(3);
        let mut found = Vec::new();
        let work = |item: &usize| {
            together.wait();
            Ok(item * 2)
        };
        let take = |result| {
            found.push(result);
            Ok(())
        };
        each("test", &items, 3, work, take).unwrap();
        found.sort_unstable();
        assert_eq!(found, (0..12).map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_error_ends_it_and_keeps_what_was_done() {
        let items: Vec<usize> = (0..100).collect();
        let mut found = Vec::new();
        let work = |item: &usize| {
            if *item == 3 { Err(EvalError::Nothing("of three".to_owned())) } else { Ok(*item) }
        };
        let take = |result| {
            found.push(result);
            Ok(())
        };
        let error = each("test", &items, 1, work, take).unwrap_err();
        assert!(error.to_string().contains("of three"));
        assert_eq!(found, [0, 1, 2]);
        each("test", &[] as &[usize], 4, |_| Ok(()), Ok).unwrap();
    }
}
