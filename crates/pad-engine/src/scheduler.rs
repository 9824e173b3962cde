//! Which rows run in the next step: continuous batching of all lanes of all sequences.
//!
//! Plain synchronous state, tested with a fake runner. All lanes of a sequence are admitted, preempted and freed together, and
//! advance by the same token in the same step.

use pad_model::BLOCK;

use crate::block_pool::BlockPool;
use crate::budget::{Reader, shares};
use crate::lane::Lane;
use crate::lane_spec::reward_readouts;
use crate::line::{Line, load, youngest_of_heaviest};
use crate::sequence::{Sequence, Work};
use crate::tally::Tally;
use crate::unread::Unread;
use crate::{DecodeRows, LaneReadout, Owner, ScoreRows, StepPlan, StepReadouts};

/// Bounds of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepBounds {
    /// Sequences that run at once.
    pub sequences: usize,
    /// Rows in a step beside which no further prompt rows are taken; also the longest chunk of a prompt.
    pub rows: usize,
}

/// What a running sequence does in the planned step: rows per lane, and whether it then decodes.
#[derive(Debug)]
struct Share {
    sequence: u64,
    rows: Vec<usize>,
    decodes: bool,
}

impl Share {
    /// Whether reward lanes of the sequence are in the step, or rewards are read for it.
    fn rewards(&self, sequence: &Sequence) -> bool {
        let reads = || reward_readouts(sequence.lanes.iter().map(Lane::spec)).next().is_some();
        self.rows.iter().skip(1).any(|rows| *rows > 0) || self.decodes && reads()
    }
}

/// Sequences that wait and run, and the KV blocks that they hold.
#[derive(Debug)]
pub struct Scheduler {
    bounds: StepBounds,
    pools: Vec<BlockPool>,
    waiting: Line,
    /// In order of admission.
    running: Vec<Sequence>,
    planned: Vec<Share>,
    /// Steps planned so far.
    step: u64,
    tally: Tally,
}

impl Scheduler {
    /// An empty scheduler over pools of `kv_blocks` blocks, for weights with these windows.
    pub fn new(bounds: StepBounds, kv_blocks: &[usize], windows: &[Option<usize>]) -> Self {
        let windows = windows.iter().copied().chain(std::iter::repeat(None));
        Self {
            bounds,
            pools: kv_blocks.iter().zip(windows).map(|(blocks, window)| BlockPool::new(*blocks, window)).collect(),
            waiting: Line::default(),
            running: Vec::new(),
            planned: Vec::new(),
            step: 0,
            tally: Tally::default(),
        }
    }

    /// Take a sequence into the queue.
    pub fn add(&mut self, sequence: Sequence) {
        self.waiting.push(sequence);
    }

    /// Whether nothing waits or runs.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Sequences that run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Lanes of the sequences that run.
    pub fn lanes(&self) -> usize {
        self.running.iter().map(|sequence| sequence.lanes.len()).sum()
    }

    /// Sequences that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The KV blocks, by weights.
    pub fn pools(&self) -> &[BlockPool] {
        &self.pools
    }

    /// What was done so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The next step. Sequences whose client has gone are dropped first; an empty plan means that there is nothing to run.
    pub fn plan(&mut self) -> StepPlan {
        self.drop_cancelled();
        self.admit();
        self.make_room();
        self.planned = self.share_out();
        self.step_plan()
    }

    /// What each running sequence does in the step. Running streams keep their pace: they go first, and the prompts that are being
    /// read share what is left of the step's rows, at least a block (of small steps a quarter).
    fn share_out(&mut self) -> Vec<Share> {
        self.step += 1;
        let decoding: usize = self.running.iter().filter(|s| s.is_decoding()).map(Sequence::pending).sum();
        // Prompts are read even beside so many streams that these fill the step.
        let least = BLOCK.min(self.bounds.rows / 4).max(1);
        let budget = self.bounds.rows.saturating_sub(decoding).max(least);
        let reading = self.running.iter().filter(|sequence| !sequence.is_decoding());
        let readers = reading.map(|sequence| Reader { pending: sequence.pending(), served: sequence.served });
        let mut shares = shares(budget, &readers.collect::<Vec<_>>()).into_iter();
        let mut planned = Vec::with_capacity(self.running.len());
        for sequence in &mut self.running {
            let share = if sequence.is_decoding() { sequence.pending() } else { shares.next().unwrap_or(0) };
            if share == 0 {
                continue;
            }
            let decodes = match sequence.work {
                Work::Generate(_) => sequence.pending() <= share,
                Work::Score(_) | Work::Embed(_) => false,
            };
            if !sequence.is_decoding() {
                sequence.served = self.step;
            }
            let rows = if decodes { sequence.lanes.iter().map(Lane::pending).collect() } else { sequence.chunk(share) };
            planned.push(Share { sequence: sequence.id, rows, decodes });
        }
        planned
    }

    fn drop_cancelled(&mut self) {
        let before = self.waiting.len() + self.running.len();
        self.waiting.drop_cancelled();
        let pools = &mut self.pools;
        self.running.retain_mut(|sequence| {
            let stays = !sequence.is_cancelled();
            if !stays {
                sequence.free(pools);
            }
            stays
        });
        self.tally.cancelled += (before - self.waiting.len() - self.running.len()) as u64;
    }

    /// Admit in turn as long as there is room. An owner of whom nothing runs yet does not wait until others' sequences end, unless every
    /// other owner runs only one: the youngest of whoever runs most makes room.
    fn admit(&mut self) {
        while let Some(at) = self.waiting.turn(&self.running) {
            let free = self.running.len() < self.bounds.sequences;
            let Some(next) = self.waiting.get_mut(at) else { return };
            let (owner, waited) = (next.owner, next.first_wait());
            let admitted = free.then(|| next.admit(&mut self.pools));
            if let Some(Ok(())) = admitted {
                waited.into_iter().for_each(|waited| self.tally.queue_times.record(waited));
                let Some(mut sequence) = self.waiting.remove(at) else { return };
                sequence.served = self.step;
                self.tally.cached +=
                    sequence.lanes.iter().map(|lane| (lane.len() - lane.pending()) as u64).sum::<u64>();
                self.running.push(sequence);
                continue;
            }
            if load(&self.running, owner) > 0 {
                return;
            }
            let missing = match admitted {
                Some(Err(missing)) => missing,
                _ => next.missing(&mut self.pools),
            };
            if !self.can_be_freed(owner, &missing) {
                return;
            }
            let Some(youngest) = youngest_of_heaviest(&self.running, |other| other != owner) else { return };
            self.preempt(youngest);
        }
    }

    /// Whether the sequences that can make room for this owner, all but the oldest of each other owner, hold so many blocks.
    fn can_be_freed(&self, owner: Option<Owner>, missing: &[usize]) -> bool {
        let mut oldest: Vec<Option<Owner>> = Vec::new();
        let mut freed = vec![0; self.pools.len()];
        for sequence in self.running.iter().filter(|sequence| sequence.owner != owner) {
            if oldest.contains(&sequence.owner) {
                freed.iter_mut().zip(sequence.held(&self.pools)).for_each(|(freed, held)| *freed += held);
            } else {
                oldest.push(sequence.owner);
            }
        }
        freed.iter().zip(missing).all(|(freed, missing)| freed >= missing)
    }

    /// Every running lane needs a block for its next token; where there is none, sequences give theirs back and start again later:
    /// the youngest of the owner that runs most or, where each runs but one, the youngest of all.
    fn make_room(&mut self) {
        let mut at = 0;
        while at < self.running.len() {
            if self.running[at].grow(&mut self.pools) {
                at += 1;
                continue;
            }
            let leaves = youngest_of_heaviest(&self.running, |_| true).unwrap_or(self.running.len() - 1);
            self.preempt(leaves);
            if leaves < at {
                at -= 1;
            }
        }
    }

    /// A running sequence gives its blocks back and waits at the front of the line.
    fn preempt(&mut self, at: usize) {
        let mut sequence = self.running.remove(at);
        sequence.free(&mut self.pools);
        self.tally.preempted += 1;
        self.waiting.push_front(sequence);
    }

    fn step_plan(&self) -> StepPlan {
        let mut plan = StepPlan::default();
        for (sequence, share) in self.shares() {
            let first = plan.rows.len();
            let lanes = sequence.lanes.iter().zip(&share.rows).enumerate();
            plan.rows.extend(lanes.map(|(i, (lane, &rows))| lane.rows(rows, first, i > 0)));
            plan.scores.extend(score_rows(sequence, share, first));
            plan.embeds.extend(matches!(sequence.work, Work::Embed(_)).then_some(first));
            if let (true, Work::Generate(generation)) = (share.decodes, &sequence.work) {
                let lanes = sequence.lanes.iter().map(Lane::spec);
                let rewards: Vec<_> = reward_readouts(lanes).map(|(lane, what)| (first + lane, what)).collect();
                // The best tokens of a lane over a bridge are not the base model's.
                let proposes = |(readout, lane): (usize, &(usize, LaneReadout))| {
                    (generation.proposes(readout) && !sequence.lanes[lane.0 - first].is_across()).then_some(*lane)
                };
                plan.decodes.push(DecodeRows {
                    base: first,
                    top_k: generation.top_k(),
                    proposers: rewards.iter().enumerate().filter_map(proposes).collect(),
                    rewards,
                    adjustments: generation.adjustments(),
                    log_sum_exp: generation.reads_log_sum_exp(),
                });
            }
        }
        plan
    }

    /// The planned sequences with their shares: both are in order of admission.
    fn shares(&self) -> impl Iterator<Item = (&Sequence, &Share)> {
        let mut shares = self.planned.iter().peekable();
        self.running.iter().filter_map(move |sequence| {
            shares.next_if(|share| share.sequence == sequence.id).map(|share| (sequence, share))
        })
    }

    /// The planned step went well: lanes advance, decisions are made and told, finished sequences leave.
    pub fn commit(&mut self, readouts: StepReadouts) {
        let planned = std::mem::take(&mut self.planned);
        let mut shares = planned.iter().peekable();
        let spent = readouts.reward_time;
        let mut unread = Unread::from(readouts);
        let (pools, tally) = (&mut self.pools, &mut self.tally);
        tally.reward_time += spent;
        self.running.retain_mut(|sequence| {
            let Some(share) = shares.next_if(|share| share.sequence == sequence.id) else { return true };
            if share.rewards(sequence) {
                sequence.note_rewards(spent);
            }
            let scored: Vec<usize> = score_rows(sequence, share, 0).map(|score| score.row).collect();
            for (i, (lane, &rows)) in sequence.lanes.iter_mut().zip(&share.rows).enumerate() {
                let weights = lane.spec().weights.0;
                tally.reward_rows += if i > 0 { rows as u64 } else { 0 };
                tally.prefilled += rows.saturating_sub(if share.decodes { lane.decisive() } else { 0 }) as u64;
                lane.advance(rows, &mut pools[weights]);
            }
            let stays = unread.take(sequence, share.decodes, &scored, tally);
            if !stays {
                sequence.free(pools);
            }
            stays
        });
    }

    /// The planned step failed: its sequences fail, the others are untouched.
    pub fn abort(&mut self, why: &str) {
        let planned: Vec<u64> = std::mem::take(&mut self.planned).iter().map(|share| share.sequence).collect();
        let (pools, tally) = (&mut self.pools, &mut self.tally);
        self.running.retain_mut(|sequence| {
            if !planned.contains(&sequence.id) {
                return true;
            }
            sequence.fail(why);
            sequence.free(pools);
            tally.failed += 1;
            false
        });
    }

    /// Planning or committing panicked, so that nothing of the state can be trusted but the sequences: all of them fail, and empty
    /// pools take the place of those that were.
    pub fn rebuild(&mut self, why: &str) {
        let running = std::mem::take(&mut self.running);
        for mut sequence in running.into_iter().chain(self.waiting.take()) {
            sequence.fail(why);
            self.tally.failed += 1;
        }
        self.planned.clear();
        self.pools = self.pools.iter().map(|pool| BlockPool::new(pool.total(), pool.window())).collect();
    }
}

/// The rows of a share that predict a part of an answer that is scored; `first` is the index of its first lane's rows.
fn score_rows<'a>(sequence: &'a Sequence, share: &'a Share, first: usize) -> impl Iterator<Item = ScoreRows> + 'a {
    let lanes = sequence.lanes.iter().zip(&share.rows).enumerate();
    let scoring = match &sequence.work {
        Work::Generate(_) | Work::Embed(_) => None,
        Work::Score(scoring) => Some(scoring),
    };
    scoring.into_iter().flat_map(move |scoring| {
        lanes.clone().filter_map(move |(i, (lane, rows))| {
            let (prompt, start) = (lane.spec().prompt.len(), lane.computed());
            let targets = scoring.targets(i, prompt, start, start + rows).to_vec();
            let readouts = scoring.readouts(i).to_vec();
            (!targets.is_empty()).then_some(ScoreRows { row: first + i, readouts, targets, top: scoring.top(i) })
        })
    })
}
