//! Threads for steps of a few milliseconds.
//!
//! A step runs over a hundred short parallel operations, so handing one out must cost about a microsecond: workers spin for a
//! short, bounded time and then park. Tasks are claimed one by one from a single atomic word, and a worker that comes late
//! (another program has its core) finds the word moved on and touches nothing: the caller never waits for a thread that holds
//! no task, so two busy cores slow a step down but do not stall it.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::Isa;

/// How long a worker looks for the next operation before it parks: longer than the gap between two operations of a step.
const SPIN: Duration = Duration::from_micros(100);

type Task = dyn Fn(usize) + Sync;

/// Who computes: a fixed set of threads, the caller of [`Pool::run`] being one of them, and the instructions they use.
#[derive(Debug)]
pub struct Pool {
    isa: Isa,
    shared: Arc<Shared>,
    workers: Vec<(Thread, Option<JoinHandle<()>>)>,
    /// One operation at a time.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    /// Generation (24 bits), tasks (20 bits), next task (20 bits).
    state: AtomicU64,
    /// Tasks of this generation that are done.
    finished: AtomicUsize,
    /// The operation; valid while a claimed task of this generation is not finished.
    job: UnsafeCell<Option<*const Task>>,
    parked: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
}

// SAFETY: `job` is written only by the caller of `run` while no task of the previous generation is unfinished, and read only
// after a task of the present generation was claimed (acquire) and before it is counted as finished (release).
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is to a `Sync` closure.
unsafe impl Send for Shared {}

const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

fn pack(generation: u64, tasks: usize) -> u64 {
    (generation << (2 * INDEX_BITS)) | ((tasks as u64) << INDEX_BITS)
}

impl Shared {
    /// Claim the next task of the present generation, if one is left.
    fn claim(&self) -> Option<usize> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let (next, tasks) = (state & INDEX_MASK, (state >> INDEX_BITS) & INDEX_MASK);
            if next >= tasks {
                return None;
            }
            match self.state.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(next as usize),
                Err(seen) => state = seen,
            }
        }
    }

    /// Run tasks until none is left; true if at least one was run.
    fn work(&self) -> bool {
        let mut any = false;
        while let Some(index) = self.claim() {
            any = true;
            // SAFETY: a task of this generation is claimed and not finished, so `job` is set and its closure alive.
            let job = unsafe { &*(*self.job.get()).expect("a claimed task has a job") };
            if catch_unwind(AssertUnwindSafe(|| job(index))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.finished.fetch_add(1, Ordering::Release);
        }
        any
    }

    fn serve(&self) {
        let mut idle = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if self.work() {
                idle = Instant::now();
                continue;
            }
            for _ in 0..32 {
                std::hint::spin_loop();
            }
            if idle.elapsed() > SPIN {
                self.parked.fetch_add(1, Ordering::SeqCst);
                // Look once more: a generation published before the count was raised would not wake this thread.
                if !self.has_task() && !self.stop.load(Ordering::SeqCst) {
                    thread::park();
                }
                self.parked.fetch_sub(1, Ordering::SeqCst);
                idle = Instant::now();
            }
        }
    }

    fn has_task(&self) -> bool {
        let state = self.state.load(Ordering::SeqCst);
        state & INDEX_MASK < (state >> INDEX_BITS) & INDEX_MASK
    }
}

impl Pool {
    /// A pool of `threads` threads, the caller included; 0 counts as the machine's parallelism. It uses the best instructions
    /// that the processor has.
    pub fn new(threads: usize) -> Self {
        Self::with(threads, Isa::detect())
    }

    /// A pool that uses the instructions of `isa`, for comparisons.
    ///
    /// # Panics
    /// If the processor does not have them.
    pub fn with(threads: usize, isa: Isa) -> Self {
        assert!(Isa::available().contains(&isa), "{isa:?} on a processor that has {:?}", Isa::available());
        let threads = if threads == 0 { thread::available_parallelism().map_or(1, usize::from) } else { threads };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            finished: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            parked: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let workers = (1..threads)
            .filter_map(|i| {
                let shared = Arc::clone(&shared);
                let name = format!("pad-kernel-{i}");
                let handle = thread::Builder::new().name(name).spawn(move || shared.serve()).ok()?;
                Some((handle.thread().clone(), Some(handle)))
            })
            .collect();
        Self { isa, shared, workers, turn: Mutex::new(()) }
    }

    /// The instructions that are used.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of threads, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Call `task(i)` for every `i` in `0..tasks`, on all threads; returns when all calls have returned.
    ///
    /// # Panics
    /// If a task panics, or for more than 2^20 - 1 tasks.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.workers.is_empty() {
            (0..tasks).for_each(task);
            return;
        }
        assert!(tasks as u64 <= INDEX_MASK, "too many tasks in one operation");
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &*self.shared;
        // SAFETY: only the lifetime is erased; `run` does not return before every task is finished, and no thread reads the
        // pointer without holding an unfinished task.
        #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast cannot erase the lifetime")]
        let job: *const Task = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Task>(task) };
        // SAFETY: all tasks of the previous generation are finished (the end of the previous `run`), so no thread reads `job`.
        unsafe { *shared.job.get() = Some(job) };
        shared.finished.store(0, Ordering::Relaxed);
        let generation = (shared.state.load(Ordering::Relaxed) >> (2 * INDEX_BITS)).wrapping_add(1);
        shared.state.store(pack(generation, tasks), Ordering::SeqCst);
        if shared.parked.load(Ordering::SeqCst) > 0 {
            self.workers.iter().for_each(|(thread, _)| thread.unpark());
        }
        shared.work();
        let mut spins = 0_u32;
        while shared.finished.load(Ordering::Acquire) < tasks {
            std::hint::spin_loop();
            spins += 1;
            if spins > 1000 {
                // A worker holds a task but not a core: let it have this one.
                thread::yield_now();
            }
        }
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a task of a parallel operation panicked");
    }

    /// Call `part(start, end)` on consecutive ranges that cover `0..items`, each a multiple of `grain` long (the last may be
    /// shorter); about four ranges a thread, so that a slow thread is relieved by the others.
    pub fn run_ranges(&self, items: usize, grain: usize, part: &(dyn Fn(usize, usize) + Sync)) {
        let grain = grain.max(1);
        let grains = items.div_ceil(grain);
        let wanted = if self.workers.is_empty() { 1 } else { 4 * self.threads() };
        let step = grains.div_ceil(wanted).max(1) * grain;
        self.run(items.div_ceil(step), &|i| part(i * step, ((i + 1) * step).min(items)));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for (thread, handle) in &mut self.workers {
            thread.unpark();
            if let Some(handle) = handle.take() {
                let _ = handle.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 3, 17, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn ranges_cover_the_items() {
        let pool = Pool::new(3);
        for (items, grain) in [(0, 1), (1, 4), (60, 1), (61, 8), (3072, 16)] {
            let seen: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            pool.run_ranges(items, grain, &|start, end| {
                assert!(start % grain == 0 && start < end);
                seen[start..end].iter().for_each(|c| {
                    c.fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(seen.iter().all(|c| c.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let result = catch_unwind(AssertUnwindSafe(|| pool.run(8, &|i| assert_ne!(i, 5, "on purpose"))));
        assert!(result.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(8, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 28);
    }

    #[test]
    fn parked_workers_wake_up() {
        let pool = Pool::new(3);
        while pool.shared.parked.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        let sum = AtomicUsize::new(0);
        pool.run(100, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 4950);
    }
}
