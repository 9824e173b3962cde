//! The rewards of lanes over a bridge. A candidate is worth the log-probability of all tokens that it becomes there, over the whole
//! vocabulary: `log pi(text so far, candidate) - log pi(text so far)`, both from the last settled token on.
//!
//! What is not settled was run with the step's other rows, and its states predict the first token in which a candidate differs. A candidate
//! that goes on behind that one has a *branch*: rows of its own, which see the lane's blocks up to there and write spare ones. The
//! branches of all candidates of all sequences are one more batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pad_decode::{Bridge, Candidates, Readout};
use pad_model::{BLOCK, LaneChunk, Logits, Ranked, Wanted};

use crate::far_side::{SPARE, common};
use crate::lockstep::{LockstepRunner, StepStates, state_read};
use crate::{LaneReadout, LaneRows, Open, StepError, StepPlan, WeightsId};

/// A lane at whose candidates rewards are read.
struct Far<'a> {
    /// Its rows in the plan.
    row: usize,
    rows: &'a LaneRows,
    /// Its tokens that are not settled.
    own: &'a [u32],
    /// What takes their place with each candidate.
    tails: Vec<Vec<u32>>,
    /// The branch of each candidate that has one.
    branches: Vec<Option<usize>>,
}

/// Tokens behind the beginning of a lane's open ones.
struct Branch<'a> {
    rows: &'a LaneRows,
    /// Position of the first.
    start: usize,
    tokens: Vec<u32>,
}

impl Branch<'_> {
    /// Spare blocks that it writes.
    fn blocks(&self) -> usize {
        (self.start % BLOCK + self.tokens.len()).div_ceil(BLOCK)
    }
}

/// Where the states of some weights are: of each lane those that predict its open tokens and what comes next, and those of the branches.
struct States {
    /// By lanes: the first of its states.
    lanes: Vec<usize>,
    /// By branches, as well.
    branches: Vec<usize>,
}

/// The tokens whose log-probabilities are wanted, by the state that predicts them.
type Wants = BTreeMap<usize, Vec<u32>>;

/// Log-probabilities of tokens, by the state that predicts them and the token.
type Logprobs = HashMap<(usize, u32), f32>;

impl LockstepRunner {
    /// The readouts of every lane over a bridge at its sequence's candidates, by row of the plan and what is read.
    pub(crate) fn crossed(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        candidates: &[Candidates],
    ) -> Result<BTreeMap<(usize, usize), Readout>, StepError> {
        let mut read = BTreeMap::new();
        for id in (0..self.sets()).map(WeightsId) {
            let Some(bridge) = self.bridge_of(id).cloned() else { continue };
            let (mut fars, mut readouts): (Vec<Far<'_>>, Vec<(usize, usize, usize)>) = (Vec::new(), Vec::new());
            let mut whats: Vec<LaneReadout> = Vec::new();
            for (decode, at) in plan.decodes.iter().zip(candidates) {
                for (place, (row, what)) in decode.rewards.iter().enumerate() {
                    let rows = &plan.rows[*row];
                    let Some(open) = rows.open.as_ref().filter(|_| rows.weights == id) else { continue };
                    let far = fars.iter().position(|far| far.row == *row).unwrap_or_else(|| {
                        fars.push(Far::new(*row, rows, open, &bridge, &at.tokens));
                        fars.len() - 1
                    });
                    let of = whats.iter().position(|known| known == what).unwrap_or_else(|| {
                        whats.push(*what);
                        whats.len() - 1
                    });
                    readouts.push((far, place, of));
                }
            }
            if fars.is_empty() {
                continue;
            }
            let states = self.far_states(id, states, &mut fars)?;
            let wants = wants(&fars, &states);
            let logprobs = self.logprobs(id, &wants, &whats)?;
            for (far, place, of) in readouts {
                let readout = fars[far].readout(far, &states, &logprobs[of]);
                read.insert((fars[far].row, place), readout);
            }
        }
        Ok(read)
    }

    /// Runs the branches; where all states are that are read.
    fn far_states(&mut self, id: WeightsId, states: &StepStates, fars: &mut [Far<'_>]) -> Result<States, StepError> {
        let mut branches: Vec<Branch<'_>> = Vec::new();
        fars.iter_mut().for_each(|far| far.branch_off(&mut branches));
        let lanes = fars.iter().map(|far| states.first(far.row)).collect();
        let (mut firsts, mut left) = (Vec::with_capacity(branches.len()), branches.as_slice());
        while !left.is_empty() {
            let fit = left.iter().scan(0, |blocks, branch| {
                *blocks += branch.blocks();
                Some(*blocks)
            });
            // One that alone needs more than there are cannot be: no candidate becomes so many tokens.
            let fit = fit.take_while(|blocks| *blocks <= SPARE).count();
            if fit == 0 {
                return Err(StepError::Runner("a candidate becomes more tokens than there is room for".to_owned()));
            }
            let (now, later) = left.split_at(fit);
            let mut first = self.run_branches(id, now)?;
            for branch in now {
                firsts.push(first);
                first += branch.tokens.len();
            }
            left = later;
        }
        Ok(States { lanes, branches: firsts })
    }

    /// Runs all tokens of these branches, for which there are spare blocks; the first of their states.
    fn run_branches(&mut self, id: WeightsId, branches: &[Branch<'_>]) -> Result<usize, StepError> {
        let (model, mut spare) = self.far_weights(id);
        let (mut copies, mut tables) = (Vec::new(), Vec::with_capacity(branches.len()));
        for branch in branches {
            let shared = branch.start / BLOCK;
            if !branch.start.is_multiple_of(BLOCK) {
                copies.push((branch.rows.blocks[shared], spare));
            }
            let own = spare..spare + branch.blocks() as u32;
            spare = own.end;
            tables.push(branch.rows.blocks[..shared].iter().copied().chain(own).collect::<Vec<u32>>());
        }
        let mut chunks = Vec::with_capacity(branches.len());
        for (branch, blocks) in branches.iter().zip(&tables) {
            let (adapter, strength) = branch.rows.adapted();
            chunks.push(LaneChunk {
                adapter,
                strength,
                ..LaneChunk::new(&branch.tokens, branch.start, blocks, branch.tokens.len())
            });
        }
        Ok(model.run_more(&copies, &chunks)?)
    }

    /// The log-probabilities that are wanted, by what is read; all are read together.
    fn logprobs(&mut self, id: WeightsId, wants: &Wants, whats: &[LaneReadout]) -> Result<Vec<Logprobs>, StepError> {
        if wants.is_empty() {
            return Ok(vec![Logprobs::new(); whats.len()]);
        }
        let of_what = |what: &LaneReadout| {
            let what = *what;
            wants.iter().map(move |(state, tokens)| state_read(*state, what, Wanted::At(tokens.clone()).normalised()))
        };
        let reads: Vec<_> = whats.iter().flat_map(of_what).collect();
        let read = self.far_weights(id).0.logits(&reads)?;
        let of_what = |read: &[Logits]| -> Logprobs {
            let of_state = |(state, logits): (&usize, &Logits)| {
                let (state, mass) = (*state, logits.log_sum_exp.unwrap_or(f32::NAN));
                let one = move |ranked: &Ranked| ((state, ranked.token), ranked.logit - mass);
                logits.ranked.iter().map(one).collect::<Vec<_>>()
            };
            wants.keys().zip(read).flat_map(of_state).collect()
        };
        Ok(read.chunks(wants.len()).map(of_what).collect())
    }
}

impl<'a> Far<'a> {
    fn new(row: usize, rows: &'a LaneRows, open: &Open, bridge: &Arc<dyn Bridge>, candidates: &[u32]) -> Self {
        let own = &rows.tokens[rows.tokens.len().saturating_sub(open.tokens)..];
        let mut chosen = open.chosen.clone();
        let tail = |candidate: &u32| {
            chosen.push(*candidate);
            let crossing = bridge.cross(&chosen);
            chosen.pop();
            crossing.tokens
        };
        let tails: Vec<Vec<u32>> = candidates.iter().map(tail).collect();
        Self { row, rows, own, branches: vec![None; tails.len()], tails }
    }

    /// Gives its candidates branches: those that need more than the lane's own states. One that another one's begins with shares it.
    fn branch_off(&mut self, branches: &mut Vec<Branch<'a>>) {
        let (settled, first) = (self.rows.start + self.rows.tokens.len() - self.own.len(), branches.len());
        let mut order: Vec<usize> = (0..self.tails.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.tails[*at].len()));
        for at in order {
            let tail = &self.tails[at];
            let same = common(self.own, tail);
            // The last token predicts nothing that is asked for.
            let Some(tokens) = tail.get(same..tail.len().saturating_sub(1)).filter(|tokens| !tokens.is_empty()) else {
                continue;
            };
            let start = settled + same;
            let fits = |branch: &Branch<'_>| branch.start == start && branch.tokens.starts_with(tokens);
            let known = branches[first..].iter().position(fits).map(|known| first + known);
            self.branches[at] = Some(known.unwrap_or_else(|| {
                branches.push(Branch { rows: self.rows, start, tokens: tokens.to_vec() });
                branches.len() - 1
            }));
        }
    }

    /// Each token of a candidate's tail with the state that predicts it; `lane` is the place of this lane.
    fn path(&self, lane: usize, candidate: usize, states: &States) -> Vec<(usize, u32)> {
        let (tail, branch) = (&self.tails[candidate], self.branches[candidate]);
        let same = common(self.own, tail);
        let state = |at: usize| match branch.filter(|_| at > same) {
            Some(branch) => states.branches[branch] + at - same - 1,
            None => states.lanes[lane] + at,
        };
        tail.iter().enumerate().map(|(at, token)| (state(at), *token)).collect()
    }

    /// The same of what the lane has.
    fn own_path(&self, lane: usize, states: &States) -> Vec<(usize, u32)> {
        self.own.iter().enumerate().map(|(at, token)| (states.lanes[lane] + at, *token)).collect()
    }

    /// What every candidate is worth. One that adds nothing is neither for nor against anything: it is worth what the others are on
    /// average.
    fn readout(&self, lane: usize, states: &States, logprobs: &Logprobs) -> Readout {
        let sum = |path: Vec<(usize, u32)>| -> f32 {
            path.iter().map(|step| logprobs.get(step).copied().unwrap_or(f32::NAN)).sum()
        };
        let own = sum(self.own_path(lane, states));
        let worth = |at: usize| (self.tails[at] != self.own).then(|| sum(self.path(lane, at, states)) - own);
        let worths: Vec<Option<f32>> = (0..self.tails.len()).map(worth).collect();
        let known: Vec<f32> = worths.iter().flatten().copied().collect();
        let mean = known.iter().sum::<f32>() / known.len().max(1) as f32;
        Readout { logits: worths.into_iter().map(|worth| worth.unwrap_or(mean)).collect(), log_sum_exp: Some(0.0) }
    }
}

/// All tokens of all paths, by the state that predicts them.
fn wants(fars: &[Far<'_>], states: &States) -> Wants {
    let mut wants = Wants::new();
    for (lane, far) in fars.iter().enumerate() {
        let paths = (0..far.tails.len()).map(|candidate| far.path(lane, candidate, states));
        for (state, token) in paths.chain([far.own_path(lane, states)]).flatten() {
            let tokens = wants.entry(state).or_default();
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
    }
    wants
}
