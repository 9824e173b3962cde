//! The runner over real models: base and reward rows of the same weights in one batch, rewards read at the candidates only.

use pad_decode::{Candidates, Readout, TokenSet};
use pad_model::{Hidden, KvCache, LaneChunk, Logits, Model, ModelError, RowWanted, ValueHead, Wanted};

use crate::{
    DecodeReadouts, DecodeRows, LaneReadout, Runner, ScoreReadouts, StepError, StepPlan, StepReadouts, WeightsId,
};

/// A set of weights with its cache and its value heads.
#[derive(Debug)]
pub struct LoadedWeights {
    model: Model,
    cache: KvCache,
    heads: Vec<ValueHead>,
}

impl LoadedWeights {
    /// A model with room for `kv_blocks` blocks.
    ///
    /// # Errors
    /// If the device has not that much memory.
    pub fn new(model: Model, heads: Vec<ValueHead>, kv_blocks: usize) -> Result<Self, ModelError> {
        let cache = KvCache::new(&model, kv_blocks)?;
        Ok(Self { model, cache, heads })
    }
}

/// Runs steps over one or more sets of weights; the first is the base model's.
#[derive(Debug)]
pub struct LockstepRunner {
    weights: Vec<LoadedWeights>,
}

impl LockstepRunner {
    /// A runner over these weights, the base model's first. All must share the base's vocabulary.
    ///
    /// # Errors
    /// If there are none, or the vocabularies differ in size.
    pub fn new(weights: Vec<LoadedWeights>) -> Result<Self, StepError> {
        let sizes: Vec<usize> = weights.iter().map(|w| w.model.config().vocabulary).collect();
        match sizes.first() {
            None => Err(StepError::Runner("a runner needs the base model's weights".to_owned())),
            Some(first) if sizes.iter().any(|size| size != first) => Err(StepError::Runner(format!(
                "base and reward models share a vocabulary, but the sizes are {sizes:?}"
            ))),
            Some(_) => Ok(Self { weights }),
        }
    }
}

/// Hidden states of one step: where each lane's last rows are found.
struct StepHidden {
    /// By weights; none where no row was read.
    hidden: Vec<Option<Hidden>>,
    /// By rows of the plan: index of the first of its rows among those read of its weights.
    place: Vec<usize>,
}

impl Runner for LockstepRunner {
    fn context(&self) -> usize {
        self.weights.iter().map(|w| w.model.config().context).min().unwrap_or(0)
    }

    fn vocabulary(&self) -> usize {
        self.weights.iter().map(|w| w.model.config().vocabulary).min().unwrap_or(0)
    }

    fn kv_blocks(&self) -> Vec<usize> {
        self.weights.iter().map(|w| w.cache.blocks()).collect()
    }

    fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError> {
        let states = self.forward(plan)?;
        let candidates = self.candidates(plan, &states)?;
        let mut rewards = self.rewards(plan, &states, &candidates)?.into_iter();
        let read = |(candidates, decode): (Candidates, &DecodeRows)| {
            let rewards = rewards.by_ref().take(decode.rewards.len()).collect();
            DecodeReadouts { candidates, rewards }
        };
        let decodes = candidates.into_iter().zip(&plan.decodes).map(read).collect();
        Ok(StepReadouts { decodes, scores: self.scores(plan, &states)?, embeds: embeds(plan, &states)? })
    }
}

impl LockstepRunner {
    /// One ragged batch per set of weights.
    fn forward(&self, plan: &StepPlan) -> Result<StepHidden, StepError> {
        let mut read = vec![0; plan.rows.len()];
        for decode in &plan.decodes {
            read[decode.base] = 1;
            decode.rewards.iter().for_each(|(row, _)| read[*row] = 1);
        }
        plan.scores.iter().for_each(|score| read[score.row] = score.targets.len());
        plan.embeds.iter().for_each(|row| read[*row] = plan.rows[*row].tokens.len());
        let (mut hidden, mut place) = (Vec::new(), vec![0; plan.rows.len()]);
        for (id, weights) in self.weights.iter().enumerate() {
            let (mut chunks, mut count, mut index) = (Vec::new(), 0, vec![None; plan.rows.len()]);
            for (i, rows) in plan.rows.iter().enumerate().filter(|(_, rows)| rows.weights.0 == id) {
                index[i] = Some(chunks.len());
                chunks.push(LaneChunk {
                    tokens: &rows.tokens,
                    start: rows.start,
                    blocks: &rows.blocks,
                    read: read[i],
                    adapter: rows.adapter.map(|adapter| adapter.0),
                    // The base lane stands before the lanes that branch off from it.
                    trunk: rows.trunk.and_then(|trunk| index[trunk]),
                });
                place[i] = count;
                count += read[i];
            }
            let busy = chunks.iter().any(|chunk| !chunk.tokens.is_empty());
            let states = if busy { Some(weights.model.forward(&chunks, &weights.cache)?) } else { None };
            hidden.push(states);
        }
        Ok(StepHidden { hidden, place })
    }

    /// The k best tokens of every base row, under its sequence's adjustments.
    fn candidates(&self, plan: &StepPlan, states: &StepHidden) -> Result<Vec<Candidates>, StepError> {
        if plan.decodes.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<usize> = plan.decodes.iter().map(|decode| decode.base).collect();
        let first = |decode: &DecodeRows| best(decode, decode.adjustments.reach(decode.top_k));
        let wanted: Vec<RowWanted> = plan.decodes.iter().map(first).collect();
        let mut read = self.read(states, WeightsId::BASE, LaneReadout::Plain, &rows, &wanted)?;
        let deeper = |decode: &DecodeRows, read: &[u32]| {
            let count = decode.adjustments.deeper(decode.top_k, read)?;
            Some(best(decode, count))
        };
        for (i, deeper) in self.read_again(plan, states, &read, deeper)? {
            read[i] = deeper;
        }
        let vocabulary = self.weights[WeightsId::BASE.0].model.config().vocabulary;
        let missing = |decode: &DecodeRows, best: &[u32]| {
            let mut unread = decode.adjustments.unread(best, decode.log_sum_exp);
            unread.retain(|token| (*token as usize) < vocabulary);
            (!unread.is_empty()).then(|| Wanted::At(unread).alone())
        };
        for (i, more) in self.read_again(plan, states, &read, missing)? {
            read[i].ranked.extend(more.ranked);
        }
        let candidates = |(logits, decode): (Logits, &DecodeRows)| {
            decode.adjustments.candidates(decode.top_k, tokens(&logits), readout(&logits), logits.among)
        };
        Ok(read.into_iter().zip(&plan.decodes).map(candidates).collect())
    }

    /// Read the base rows again of sequences of which more is wanted than was read; with their indices.
    fn read_again(
        &self,
        plan: &StepPlan,
        states: &StepHidden,
        read: &[Logits],
        wanted: impl Fn(&DecodeRows, &[u32]) -> Option<RowWanted>,
    ) -> Result<Vec<(usize, Logits)>, StepError> {
        let adjusted = plan.decodes.iter().zip(read).enumerate().filter(|(_, (d, _))| !d.adjustments.is_empty());
        let again = adjusted.filter_map(|(i, (decode, best))| Some((i, decode.base, wanted(decode, &tokens(best))?)));
        let (mut which, mut rows, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (i, row, wanted) in again {
            which.push(i);
            rows.push(row);
            all.push(wanted);
        }
        if which.is_empty() {
            return Ok(Vec::new());
        }
        let more = self.read(states, WeightsId::BASE, LaneReadout::Plain, &rows, &all)?;
        Ok(which.into_iter().zip(more).collect())
    }

    /// Every reward readout at its sequence's candidates, in the plan's order; rows of the same weights and head together.
    fn rewards(
        &self,
        plan: &StepPlan,
        states: &StepHidden,
        candidates: &[Candidates],
    ) -> Result<Vec<Readout>, StepError> {
        let of_sequence = |(decode, candidates): (&'_ DecodeRows, &'_ Candidates)| {
            let logits = Wanted::At(candidates.tokens.clone());
            let wanted = RowWanted { logits, log_sum_exp: decode.log_sum_exp };
            decode.rewards.iter().map(move |(row, what)| (*row, *what, wanted.clone())).collect::<Vec<_>>()
        };
        let all: Vec<(usize, LaneReadout, RowWanted)> =
            plan.decodes.iter().zip(candidates).flat_map(of_sequence).collect();
        let mut readouts: Vec<Option<Readout>> = vec![None; all.len()];
        let mut left: Vec<usize> = (0..all.len()).collect();
        while let Some(&first) = left.first() {
            let kind = |i: &usize| (plan.rows[all[*i].0].weights, all[*i].1);
            let (weights, what) = kind(&first);
            let (group, rest): (Vec<usize>, Vec<usize>) = left.iter().partition(|i| kind(i) == (weights, what));
            let rows: Vec<usize> = group.iter().map(|i| all[*i].0).collect();
            let wanted: Vec<RowWanted> = group.iter().map(|i| all[*i].2.clone()).collect();
            for (i, logits) in group.iter().zip(self.read(states, weights, what, &rows, &wanted)?) {
                readouts[*i] = Some(readout(&logits));
            }
            left = rest;
        }
        Ok(readouts.into_iter().flatten().collect())
    }

    /// What was read of the answers' tokens.
    fn scores(&self, plan: &StepPlan, states: &StepHidden) -> Result<Vec<ScoreReadouts>, StepError> {
        let mut all = Vec::with_capacity(plan.scores.len());
        for score in &plan.scores {
            let weights = plan.rows[score.row].weights;
            let first = states.place[score.row];
            let places: Vec<usize> = (first..first + score.targets.len()).collect();
            let wanted: Vec<RowWanted> = score.targets.iter().map(|t| Wanted::At(vec![*t]).normalised()).collect();
            let mut read = ScoreReadouts::default();
            for (i, what) in score.readouts.iter().enumerate() {
                let at = self.read_places(states, weights, *what, &places, &wanted)?;
                let logprob =
                    |at: &Logits| logprobs(at, at.log_sum_exp).first().map_or(f32::NAN, |(_, logprob)| *logprob);
                read.logprobs.push(at.iter().map(logprob).collect());
                if i == 0 && score.top > 0 {
                    let best = vec![Wanted::Best(score.top).alone(); places.len()];
                    let best = self.read_places(states, weights, *what, &places, &best)?;
                    read.best = best.iter().zip(&at).map(|(best, at)| logprobs(best, at.log_sum_exp)).collect();
                }
            }
            all.push(read);
        }
        Ok(all)
    }

    /// Read logits of these rows of the plan, the first of each that is read.
    fn read(
        &self,
        states: &StepHidden,
        weights: WeightsId,
        what: LaneReadout,
        rows: &[usize],
        wanted: &[RowWanted],
    ) -> Result<Vec<Logits>, StepError> {
        let places: Vec<usize> = rows.iter().map(|row| states.place[*row]).collect();
        self.read_places(states, weights, what, &places, wanted)
    }

    /// Read logits of these of the rows that were read of some weights.
    fn read_places(
        &self,
        states: &StepHidden,
        weights: WeightsId,
        what: LaneReadout,
        places: &[usize],
        wanted: &[RowWanted],
    ) -> Result<Vec<Logits>, StepError> {
        let missing = || StepError::Runner(format!("nothing was read of weights {}", weights.0));
        let hidden = states.hidden.get(weights.0).and_then(Option::as_ref).ok_or_else(missing)?;
        let loaded = &self.weights[weights.0];
        let head = match what {
            LaneReadout::Plain => None,
            LaneReadout::Head(id) => {
                let unknown = || StepError::Runner(format!("weights {} have no value head {}", weights.0, id.0));
                Some(loaded.heads.get(id.0).ok_or_else(unknown)?)
            }
        };
        Ok(loaded.model.logits(&hidden.rows(places)?, head, wanted)?)
    }
}

/// The hidden states of the texts that are embedded.
fn embeds(plan: &StepPlan, states: &StepHidden) -> Result<Vec<Vec<Vec<f32>>>, StepError> {
    let read = |row: &usize| {
        let rows = &plan.rows[*row];
        let hidden = states.hidden.get(rows.weights.0).and_then(Option::as_ref);
        let Some(hidden) = hidden.filter(|_| !rows.tokens.is_empty()) else { return Ok(Vec::new()) };
        let first = states.place[*row];
        let places: Vec<usize> = (first..first + rows.tokens.len()).collect();
        Ok(hidden.rows(&places)?.values()?)
    };
    plan.embeds.iter().map(read).collect()
}

/// The `count` best tokens of those that a sequence allows.
fn best(decode: &DecodeRows, count: usize) -> RowWanted {
    let among = |allowed: &TokenSet| Wanted::BestAmong(count, allowed.clone());
    let logits = decode.adjustments.allowed().map_or(Wanted::Best(count), among);
    RowWanted { logits, log_sum_exp: decode.log_sum_exp }
}

/// What was read, as log-probabilities over the vocabulary.
fn logprobs(logits: &Logits, log_sum_exp: Option<f32>) -> Vec<(u32, f32)> {
    let mass = log_sum_exp.unwrap_or(f32::NAN);
    logits.ranked.iter().map(|ranked| (ranked.token, ranked.logit - mass)).collect()
}

fn tokens(logits: &Logits) -> Vec<u32> {
    logits.ranked.iter().map(|r| r.token).collect()
}

fn readout(logits: &Logits) -> Readout {
    Readout { logits: logits.ranked.iter().map(|r| r.logit).collect(), log_sum_exp: logits.log_sum_exp }
}
