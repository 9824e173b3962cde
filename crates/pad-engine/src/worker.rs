//! The thread that owns the runner: it plans, steps and commits until the last handle is gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use crate::scheduler::Scheduler;
use crate::sequence::Sequence;
use crate::{Runner, Status, StepError, StepPlan, StepReadouts};

/// A second panic outside the runner within this time ends the worker.
const RELAPSE: Duration = Duration::from_mins(1);

/// The worker's state.
pub struct Worker<R> {
    pub runner: R,
    pub scheduler: Scheduler,
    pub inbox: Receiver<Sequence>,
    pub status: Arc<Mutex<Status>>,
    /// When planning or committing last panicked.
    pub panicked: Option<Instant>,
    /// Tells whoever waits for the worker's end.
    pub life: watch::Sender<()>,
}

impl<R: Runner> Worker<R> {
    /// Run until every handle is dropped and nothing is left to do.
    ///
    /// A panic outside the runner leaves the scheduler in an unknown state: all sequences fail, and the scheduler starts over.
    /// A second panic within `RELAPSE` ends the worker.
    pub fn run(mut self) {
        let _end = End { status: Arc::clone(&self.status), life: self.life.clone() };
        loop {
            if self.scheduler.is_idle() {
                self.publish(Instant::now(), None);
                match self.inbox.blocking_recv() {
                    Some(sequence) => self.scheduler.add(sequence),
                    None => return,
                }
            }
            while let Ok(sequence) = self.inbox.try_recv() {
                self.scheduler.add(sequence);
            }
            if catch_unwind(AssertUnwindSafe(|| self.step())).is_err() && !self.recover(Instant::now()) {
                return;
            }
        }
    }

    /// Start over after a panic; false if the worker has to end.
    fn recover(&mut self, now: Instant) -> bool {
        let again = self.panicked.replace(now).is_some_and(|last| now.duration_since(last) < RELAPSE);
        let fail = || self.scheduler.rebuild("an internal error made the engine start over");
        let rebuilt = catch_unwind(AssertUnwindSafe(fail)).is_ok();
        let goes_on = rebuilt && !again;
        tracing::error!(goes_on, "planning or committing a step panicked; all sequences failed");
        if rebuilt {
            self.publish(now, None);
        }
        goes_on
    }

    fn step(&mut self) {
        let begun = Instant::now();
        let plan = self.scheduler.plan();
        if plan.rows.is_empty() {
            return self.publish(begun, None);
        }
        let planned = Instant::now();
        let outcome = guarded(&mut self.runner, &plan);
        let ran = planned.elapsed();
        match outcome {
            Ok(readouts) => self.scheduler.commit(readouts),
            Err(error) => {
                tracing::error!(%error, rows = plan.rows.len(), "a step failed, and with it all its sequences");
                self.scheduler.abort(&error.to_string());
            }
        }
        self.publish(begun, Some(ran));
    }

    /// Make the figures of this step visible.
    fn publish(&self, begun: Instant, ran: Option<std::time::Duration>) {
        let (scheduler, tally) = (&self.scheduler, self.scheduler.tally());
        let blocks = |count: fn(&crate::block_pool::BlockPool) -> usize| {
            scheduler.pools().iter().map(|pool| count(pool) as u64).sum()
        };
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ran) = ran {
            status.steps += 1;
            status.model_micros += ran.as_micros() as u64;
            status.scheduler_micros += begun.elapsed().saturating_sub(ran).as_micros() as u64;
        }
        *status = Status {
            running: scheduler.running() as u64,
            waiting: scheduler.waiting() as u64,
            lanes_running: scheduler.lanes() as u64,
            kv_blocks_used: blocks(crate::block_pool::BlockPool::used),
            kv_blocks_cached: blocks(crate::block_pool::BlockPool::cached),
            kv_blocks_total: blocks(crate::block_pool::BlockPool::total),
            tokens_prefilled: tally.prefilled,
            tokens_cached: tally.cached,
            tokens_generated: tally.generated,
            tokens_steered: tally.steered,
            reward_rows: tally.reward_rows,
            reward_micros: tally.reward_time.as_micros() as u64,
            finished: tally.finished,
            cancelled: tally.cancelled,
            preempted: tally.preempted,
            failed: tally.failed,
            queue_times: tally.queue_times,
            ..*status
        };
    }
}

/// Run a step; a panic, or an outcome of the wrong size, is a failed step like any other.
fn guarded(runner: &mut impl Runner, plan: &StepPlan) -> Result<StepReadouts, StepError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| runner.step(plan)))
        .unwrap_or_else(|_| Err(StepError::Runner("the runner panicked".to_owned())))?;
    let decodes = outcome.decodes.len() == plan.decodes.len()
        && outcome
            .decodes
            .iter()
            .zip(&plan.decodes)
            .all(|(read, decode)| !read.candidates.tokens.is_empty() && read.rewards.len() == decode.rewards.len());
    let scores = outcome.scores.len() == plan.scores.len()
        && outcome.scores.iter().zip(&plan.scores).all(|(read, score)| {
            let (lists, tokens) = (&read.logprobs, score.targets.len());
            let best = score.top == 0 || read.best.len() == tokens;
            best && lists.len() == score.readouts.len() && lists.iter().all(|list| list.len() == tokens)
        });
    let rows = |row: &usize| plan.rows.get(*row).map_or(0, |lane| lane.tokens.len());
    let embeds = outcome.embeds.len() == plan.embeds.len()
        && outcome.embeds.iter().zip(&plan.embeds).all(|(states, row)| states.len() == rows(row));
    if decodes && scores && embeds {
        Ok(outcome)
    } else {
        Err(StepError::Runner("the runner's readouts do not match the plan".to_owned()))
    }
}

/// Tells that the worker is gone, however it went.
struct End {
    status: Arc<Mutex<Status>>,
    life: watch::Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).ready = false;
        self.life.send_replace(());
    }
}
