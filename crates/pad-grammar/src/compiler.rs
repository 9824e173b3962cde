//! Threads that compile grammars: few at once, with a large stack and a time limit.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::budget::STACK;
use crate::{Budget, ShapeError};

/// Runs compilations. A thread cannot be stopped: one that takes longer than allowed keeps its place until it is done.
#[derive(Debug)]
pub(crate) struct Compiler {
    budget: Budget,
    places: Arc<Places>,
}

#[derive(Debug)]
struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place, given back when it is dropped.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

impl Compiler {
    /// Threads within a budget.
    pub(crate) fn new(budget: Budget) -> Self {
        let free = Mutex::new(budget.threads.max(1));
        Self { budget, places: Arc::new(Places { free, freed: Condvar::new() }) }
    }

    /// Runs a job on its own thread.
    ///
    /// # Errors
    /// [`ShapeError::Busy`] if no thread is free in time, [`ShapeError::TooSlow`] if the work takes longer than allowed; and whatever
    /// the work says. One that panics is [`ShapeError::Unsupported`].
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ShapeError> + Send + 'static,
    ) -> Result<T, ShapeError> {
        let end = Instant::now() + self.budget.time;
        let place = self.place(end)?;
        let (result, done) = mpsc::sync_channel(1);
        let compile = move || {
            let _place = place;
            // The waiting request may have gone.
            let _ = result.send(work());
        };
        let thread = thread::Builder::new().name("grammar".to_owned()).stack_size(STACK);
        thread.spawn(compile).map_err(|_| ShapeError::Busy)?;
        match done.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(ShapeError::TooSlow { allowed: self.budget.time }),
            Err(RecvTimeoutError::Disconnected) => Err(ShapeError::Unsupported("it cannot be compiled".to_owned())),
        }
    }

    fn place(&self, end: Instant) -> Result<Place, ShapeError> {
        let free = self.places.free.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = end.saturating_duration_since(Instant::now());
        let waited = self.places.freed.wait_timeout_while(free, wait, |free| *free == 0);
        let (mut free, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && *free == 0 {
            return Err(ShapeError::Busy);
        }
        *free -= 1;
        Ok(Place(Arc::clone(&self.places)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn compiler(threads: usize, millis: u64) -> Compiler {
        Compiler::new(Budget { time: Duration::from_millis(millis), threads, ..Budget::default() })
    }

    #[test]
    fn a_stack_is_large_and_a_panic_is_an_error() {
        fn deep(levels: usize) -> usize {
            let room = std::hint::black_box([levels; 512]);
            if levels == 0 { 0 } else { 1 + deep(room[levels % 512] - 1) }
        }
        let compiler = compiler(1, 60_000);
        assert_eq!(compiler.run(|| Ok(deep(20_000))), Ok(20_000));
        let panicked: Result<(), _> = compiler.run(|| panic!("on purpose"));
        assert!(matches!(panicked, Err(ShapeError::Unsupported(_))));
        assert_eq!(compiler.run(|| Ok(1)), Ok(1), "the place is free again");
    }

    #[test]
    fn work_that_takes_long_is_left_and_keeps_its_place() {
        let compiler = compiler(1, 50);
        let (end, ended) = mpsc::channel::<()>();
        let slow = compiler.run(move || ended.recv().map_err(|_| ShapeError::NotAnObject));
        assert!(matches!(slow, Err(ShapeError::TooSlow { .. })));
        assert_eq!(compiler.run(|| Ok(1)), Err(ShapeError::Busy));
        end.send(()).unwrap();
        // Its place comes back, some time.
        while compiler.run(|| Ok(1)).is_err() {}
    }
}
