//! Threads that compile grammars: few at once, with a large stack and a time limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::budget::STACK;
use crate::{Budget, Requester, ShapeError};

/// Runs compilations. A thread cannot be stopped: a job that takes longer than allowed goes on without its request. As long as there
/// are fewer such late jobs than threads, they take no place from others; and an owner with a late job gets no further one.
#[derive(Debug)]
pub(crate) struct Compiler {
    budget: Budget,
    jobs: Arc<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    running: Mutex<Vec<Job>>,
    changed: Condvar,
    started: AtomicU64,
}

#[derive(Debug)]
struct Job {
    number: u64,
    owner: Option<[u8; 32]>,
    /// It has taken longer than allowed, and no place.
    late: bool,
}

/// A running job, over when this is dropped.
struct Running {
    jobs: Arc<Jobs>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|job| job.number != self.number);
        self.jobs.changed.notify_all();
    }
}

impl Compiler {
    /// Threads within a budget.
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, jobs: Arc::default() }
    }

    /// Runs a job on its own thread.
    ///
    /// # Errors
    /// [`ShapeError::Busy`] if no thread is free in time, or a job of the same owner is late; [`ShapeError::TooSlow`] if the work takes
    /// longer than allowed; and whatever the work returns. Work that panics is [`ShapeError::Unsupported`].
    pub(crate) fn run<T: Send + 'static>(
        &self,
        requester: &Requester,
        work: impl FnOnce() -> Result<T, ShapeError> + Send + 'static,
    ) -> Result<T, ShapeError> {
        let end = Instant::now() + self.budget.time;
        let running = self.start(requester.owner, end)?;
        let number = running.number;
        let (result, done) = mpsc::sync_channel(1);
        let compile = move || {
            let _running = running;
            // The waiting request may have gone.
            let _ = result.send(work());
        };
        let thread = thread::Builder::new().name("grammar".to_owned()).stack_size(STACK);
        thread.spawn(compile).map_err(|_| ShapeError::Busy)?;
        match done.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                self.leave(number);
                Err(ShapeError::TooSlow { allowed: self.budget.time })
            }
            Err(RecvTimeoutError::Disconnected) => Err(ShapeError::Unsupported("it cannot be compiled".to_owned())),
        }
    }

    /// Waits for a place.
    fn start(&self, owner: Option<[u8; 32]>, end: Instant) -> Result<Running, ShapeError> {
        let threads = self.budget.threads.max(1);
        let share = if owner.is_some() { (threads - 1).max(1) } else { threads };
        let of_owner = |job: &&Job| owner.is_some() && job.owner == owner;
        let is_late = |jobs: &[Job]| jobs.iter().filter(of_owner).any(|job| job.late);
        let is_full = |jobs: &[Job]| {
            let in_time = || jobs.iter().filter(|job| !job.late);
            in_time().count() >= threads || in_time().filter(of_owner).count() >= share
        };
        let running = self.jobs.running.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = end.saturating_duration_since(Instant::now());
        let waited = self.jobs.changed.wait_timeout_while(running, wait, |jobs| is_full(jobs) && !is_late(jobs));
        let (mut running, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if is_late(&running) || is_full(&running) {
            return Err(ShapeError::Busy);
        }
        let number = self.jobs.started.fetch_add(1, Ordering::Relaxed);
        running.push(Job { number, owner, late: false });
        Ok(Running { jobs: Arc::clone(&self.jobs), number })
    }

    /// A job is late: it gives up its place if there are not too many of the kind.
    fn leave(&self, number: u64) {
        let mut running = self.jobs.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.iter().filter(|job| job.late).count() < self.budget.threads.max(1) {
            running.iter_mut().filter(|job| job.number == number).for_each(|job| job.late = true);
            self.jobs.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;
    use std::time::Duration;

    use super::*;

    const NOBODY: Requester = Requester { owner: None, scope: [0; 32] };

    fn compiler(threads: usize, millis: u64) -> Compiler {
        Compiler::new(Budget { time: Duration::from_millis(millis), threads, ..Budget::default() })
    }

    fn of(owner: u8) -> Requester {
        Requester { owner: Some([owner; 32]), scope: [0; 32] }
    }

    /// Work that lasts until the sender is dropped, left by its request.
    fn stuck(compiler: &Compiler, requester: &Requester) -> Sender<()> {
        let (end, ended) = mpsc::channel::<()>();
        let slow = compiler.run(requester, move || ended.recv().map_err(|_| ShapeError::NotAnObject));
        assert!(matches!(slow, Err(ShapeError::TooSlow { .. })), "{slow:?}");
        end
    }

    #[test]
    fn a_stack_is_large_and_a_panic_is_an_error() {
        fn deep(levels: usize) -> usize {
            let room = std::hint::black_box([levels; 512]);
            if levels == 0 { 0 } else { 1 + deep(room[levels % 512] - 1) }
        }
        let compiler = compiler(1, 60_000);
        assert_eq!(compiler.run(&NOBODY, || Ok(deep(20_000))), Ok(20_000));
        let panicked: Result<(), _> = compiler.run(&NOBODY, || panic!("on purpose"));
        assert!(matches!(panicked, Err(ShapeError::Unsupported(_))));
        assert_eq!(compiler.run(&NOBODY, || Ok(1)), Ok(1), "the place is free again");
    }

    #[test]
    fn late_work_takes_no_place_until_there_is_too_much_of_it() {
        let compiler = compiler(1, 50);
        let first = stuck(&compiler, &NOBODY);
        let second = stuck(&compiler, &NOBODY);
        assert_eq!(compiler.run(&NOBODY, || Ok(1)), Err(ShapeError::Busy), "one is late, and one has the only place");
        drop((first, second));
        // The places come back, some time.
        while compiler.run(&NOBODY, || Ok(1)).is_err() {}
    }

    #[test]
    fn an_owner_with_late_work_starts_no_more_and_others_do() {
        let compiler = compiler(2, 50);
        let late = stuck(&compiler, &of(1));
        assert_eq!(compiler.run(&of(1), || Ok(1)), Err(ShapeError::Busy));
        assert_eq!(compiler.run(&of(2), || Ok(1)), Ok(1));
        drop(late);
        while compiler.run(&of(1), || Ok(1)).is_err() {}
    }

    #[test]
    fn an_owner_does_not_take_all_places() {
        let compiler = compiler(2, 60_000);
        let (end, ended) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        thread::scope(|scope| {
            let compiler = &compiler;
            let first = scope.spawn(move || {
                compiler.run(&of(1), move || {
                    let _ = started.send(());
                    ended.recv().map_err(|_| ShapeError::NotAnObject)
                })
            });
            start.recv().unwrap();
            let soon = Instant::now() + Duration::from_millis(50);
            assert!(compiler.start(of(1).owner, soon).is_err(), "it has its share");
            assert_eq!(compiler.run(&of(2), || Ok(1)), Ok(1));
            end.send(()).unwrap();
            assert_eq!(first.join().unwrap(), Ok(()));
        });
    }
}
