//! Which rows run in the next step: continuous batching of all lanes of all sequences.
//!
//! Plain synchronous state, tested with a fake runner. All lanes of a sequence are admitted, preempted and freed together, and
//! advance by the same token in the same step.

use std::collections::VecDeque;

use pad_decode::decide;

use crate::block_pool::BlockPool;
use crate::request::reward_readouts;
use crate::sequence::{Fate, Sequence};
use crate::{DecodeRows, ScoreRows, StepPlan, StepReadouts};

/// Bounds of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepBounds {
    /// Sequences that run at once.
    pub sequences: usize,
    /// Rows in a step beside which no further prompt rows are taken; also the longest chunk of a prompt.
    pub rows: usize,
    /// Tokens that a lane may have.
    pub context: usize,
}

/// Counters of what the scheduler did; see [`crate::Status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub prefilled: u64,
    pub cached: u64,
    pub generated: u64,
    pub steered: u64,
    pub reward_rows: u64,
    pub finished: u64,
    pub cancelled: u64,
    pub preempted: u64,
    pub failed: u64,
}

/// What a running sequence does in the planned step: rows per lane, and whether it then decodes.
#[derive(Debug)]
struct Share {
    sequence: u64,
    rows: Vec<usize>,
    decodes: bool,
}

/// Sequences that wait and run, and the KV blocks that they hold.
#[derive(Debug)]
pub struct Scheduler {
    bounds: StepBounds,
    pools: Vec<BlockPool>,
    waiting: VecDeque<Sequence>,
    /// In order of admission.
    running: Vec<Sequence>,
    planned: Vec<Share>,
    tally: Tally,
}

impl Scheduler {
    /// An empty scheduler over pools of `kv_blocks` blocks, by weights.
    pub fn new(bounds: StepBounds, kv_blocks: &[usize]) -> Self {
        Self {
            bounds,
            pools: kv_blocks.iter().map(|blocks| BlockPool::new(*blocks)).collect(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            planned: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Take a sequence into the queue.
    pub fn add(&mut self, sequence: Sequence) {
        self.waiting.push_back(sequence);
    }

    /// Whether nothing waits or runs.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Sequences that run.
    pub fn running(&self) -> usize {
        self.running.len()
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
        self.planned.clear();
        // Running streams keep their pace: they go first, and prompts share what is left of the step.
        let decoding: usize = self.running.iter().filter(|s| s.is_decoding()).map(Sequence::pending).sum();
        let mut budget = self.bounds.rows.saturating_sub(decoding).max(1);
        for sequence in &self.running {
            let pending = sequence.pending();
            if sequence.scoring.is_some() {
                let rows = sequence.chunk(&mut budget, 0);
                self.planned.push(Share { sequence: sequence.id, rows, decodes: false });
            } else if sequence.is_decoding() || pending <= budget {
                budget -= if sequence.is_decoding() { 0 } else { pending };
                let rows = sequence.lanes.iter().map(crate::lane::Lane::pending).collect();
                self.planned.push(Share { sequence: sequence.id, rows, decodes: true });
            } else if budget > 0 {
                // The last token of each lane is left for the step in which all of them decode.
                let rows = sequence.chunk(&mut budget, 1);
                self.planned.push(Share { sequence: sequence.id, rows, decodes: false });
            }
        }
        self.step_plan()
    }

    fn drop_cancelled(&mut self) {
        let before = self.waiting.len() + self.running.len();
        self.waiting.retain(|sequence| !sequence.is_cancelled());
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

    /// Admit in order of arrival as long as there is room. A choice that waits for its leader's prompt lets others pass.
    fn admit(&mut self) {
        let mut at = 0;
        while at < self.waiting.len() && self.running.len() < self.bounds.sequences {
            let leader = self.waiting[at].leader;
            let waits = |sequence: &Sequence| Some(sequence.id) == leader && !sequence.is_decoding();
            if self.running.iter().any(waits) || self.waiting.iter().take(at).any(|s| Some(s.id) == leader) {
                at += 1;
                continue;
            }
            if !self.waiting[at].admit(&mut self.pools) {
                break;
            }
            let Some(sequence) = self.waiting.remove(at) else { break };
            self.tally.cached += sequence.lanes.iter().map(|lane| (lane.len() - lane.pending()) as u64).sum::<u64>();
            self.running.push(sequence);
        }
    }

    /// Every running lane needs a block for its next token; where there is none, the youngest sequences give theirs back and
    /// start again later.
    fn make_room(&mut self) {
        let mut at = 0;
        while at < self.running.len() {
            if self.running[at].grow(&mut self.pools) {
                at += 1;
                continue;
            }
            let Some(mut youngest) = self.running.pop() else { break };
            youngest.free(&mut self.pools);
            self.tally.preempted += 1;
            self.waiting.push_front(youngest);
        }
    }

    fn step_plan(&self) -> StepPlan {
        let mut plan = StepPlan::default();
        for (sequence, share) in self.shares() {
            let first = plan.rows.len();
            plan.rows.extend(sequence.lanes.iter().zip(&share.rows).map(|(lane, &rows)| lane.rows(rows, first)));
            plan.scores.extend(score_rows(sequence, share, first));
            if share.decodes {
                let lanes = sequence.lanes.iter().map(crate::lane::Lane::spec);
                plan.decodes.push(DecodeRows {
                    base: first,
                    rewards: reward_readouts(lanes).map(|(lane, what)| (first + lane, what)).collect(),
                    top_k: sequence.top_k,
                    adjustments: sequence.adjustments(),
                    log_sum_exp: sequence.rule.normalisation == pad_decode::Normalisation::Vocabulary,
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
        let (mut scores, planned) = (readouts.scores.into_iter(), std::mem::take(&mut self.planned));
        let mut readouts = readouts.decodes.into_iter();
        let mut shares = planned.iter().peekable();
        let (pools, tally, context) = (&mut self.pools, &mut self.tally, self.bounds.context);
        self.running.retain_mut(|sequence| {
            let Some(share) = shares.next_if(|share| share.sequence == sequence.id) else { return true };
            let scored: Vec<usize> = score_rows(sequence, share, 0).map(|score| score.row).collect();
            for (i, (lane, &rows)) in sequence.lanes.iter_mut().zip(&share.rows).enumerate() {
                let weights = lane.spec().weights.0;
                lane.advance(rows, &mut pools[weights]);
                tally.reward_rows += if i > 0 { rows as u64 } else { 0 };
                tally.prefilled += (rows - usize::from(share.decodes)) as u64;
            }
            if let Some(scoring) = &mut sequence.scoring {
                scored.into_iter().zip(scores.by_ref()).for_each(|(lane, read)| scoring.extend(lane, read));
                let done = sequence.tell_scores();
                if done {
                    tally.finished += 1;
                    sequence.free(pools);
                }
                return !done;
            }
            let Some(read) = share.decodes.then(|| readouts.next()).flatten() else { return true };
            let decision =
                decide(&sequence.rule, read.candidates, &sequence.terms, &read.rewards, &mut sequence.sampler);
            tally.generated += 1;
            tally.steered += u64::from(decision.steered());
            match sequence.choose(decision, context) {
                Fate::GoesOn => return true,
                Fate::Finished => tally.finished += 1,
                Fate::Failed => tally.failed += 1,
            }
            sequence.free(pools);
            false
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
}

/// The rows of a share that predict a part of an answer that is scored; `first` is the index of its first lane's rows.
fn score_rows<'a>(sequence: &'a Sequence, share: &'a Share, first: usize) -> impl Iterator<Item = ScoreRows> + 'a {
    let lanes = sequence.lanes.iter().zip(&share.rows).enumerate();
    sequence.scoring.iter().flat_map(move |scoring| {
        lanes.clone().filter_map(move |(i, (lane, rows))| {
            let targets = scoring.targets(lane.spec().prompt.len(), lane.computed(), lane.computed() + rows).to_vec();
            let readouts = scoring.readouts(i).to_vec();
            (!targets.is_empty()).then_some(ScoreRows { row: first + i, readouts, targets, top: scoring.top(i) })
        })
    })
}
