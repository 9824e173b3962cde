//! The runner over real models: base and reward rows of the same weights in one batch, rewards read at the candidates only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pad_decode::{Bridge, Candidates, Readout};
use pad_model::{Hidden, KvCache, LaneChunk, Logits, Model, ModelError, RowWanted, ValueHead, Wanted};

use crate::far_side::SPARE;
use crate::{
    DecodeReadouts, DecodeRows, LaneReadout, Runner, ScoreReadouts, StepError, StepPlan, StepReadouts, WeightsId,
};

/// A set of weights with its cache and its value heads.
#[derive(Debug)]
pub struct LoadedWeights {
    model: Model,
    cache: KvCache,
    heads: Vec<ValueHead>,
    /// Where its tokens are not the base model's.
    bridge: Option<Arc<dyn Bridge>>,
}

impl LoadedWeights {
    /// A model with room for `kv_blocks` blocks.
    ///
    /// # Errors
    /// If the device has not that much memory.
    pub fn new(model: Model, heads: Vec<ValueHead>, kv_blocks: usize) -> Result<Self, ModelError> {
        let cache = model.kv_cache(kv_blocks)?;
        Ok(Self { model, cache, heads, bridge: None })
    }

    /// A model with tokens of its own.
    ///
    /// # Errors
    /// If the device has not that much memory.
    pub fn across(
        bridge: Arc<dyn Bridge>,
        model: Model,
        heads: Vec<ValueHead>,
        kv_blocks: usize,
    ) -> Result<Self, ModelError> {
        let cache = model.kv_cache(kv_blocks + SPARE)?;
        Ok(Self { model, cache, heads, bridge: Some(bridge) })
    }

    /// Blocks for lanes.
    fn kv_blocks(&self) -> usize {
        self.cache.blocks() - if self.bridge.is_some() { SPARE } else { 0 }
    }
}

/// Runs steps over one or more sets of weights; the first is the base model's.
#[derive(Debug)]
pub struct LockstepRunner {
    weights: Vec<LoadedWeights>,
}

impl LockstepRunner {
    /// A runner over these weights, the base model's first. All must share the base's vocabulary, but those over a bridge.
    ///
    /// # Errors
    /// If there are none, or the vocabularies differ in size.
    pub fn new(weights: Vec<LoadedWeights>) -> Result<Self, StepError> {
        let near = weights.iter().filter(|w| w.bridge.is_none());
        let sizes: Vec<usize> = near.map(|w| w.model.config().vocabulary).collect();
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
pub(crate) struct StepHidden {
    /// By weights; none where no row was read.
    hidden: Vec<Option<Hidden>>,
    /// By rows of the plan: index of the first of its rows among those read of its weights.
    place: Vec<usize>,
    /// How much of the time went to reward lanes.
    reward_time: Duration,
}

/// What is read of one row of the plan.
pub(crate) struct RowRead {
    row: usize,
    what: LaneReadout,
    wanted: RowWanted,
}

impl RowRead {
    /// Logits of a row, by index in the plan.
    pub(crate) fn new(row: usize, what: LaneReadout, wanted: RowWanted) -> Self {
        Self { row, what, wanted }
    }
}

impl Runner for LockstepRunner {
    fn context(&self) -> usize {
        self.weights.iter().map(|w| w.model.config().context).min().unwrap_or(0)
    }

    fn vocabulary(&self) -> usize {
        self.tokens()
    }

    fn kv_blocks(&self) -> Vec<usize> {
        self.weights.iter().map(LoadedWeights::kv_blocks).collect()
    }

    fn bridge(&self, weights: WeightsId) -> Option<Arc<dyn Bridge>> {
        self.bridge_of(weights).cloned()
    }

    fn windows(&self) -> Vec<Option<usize>> {
        self.weights.iter().map(|w| w.model.config().window()).collect()
    }

    fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError> {
        let states = self.forward(plan)?;
        let candidates = self.candidates(plan, &states)?;
        let reading = Instant::now();
        let mut rewards = self.rewards(plan, &states, &candidates)?.into_iter();
        let reads = plan.decodes.iter().any(|decode| !decode.rewards.is_empty());
        let reward_time = states.reward_time + if reads { reading.elapsed() } else { Duration::ZERO };
        let read = |(candidates, decode): (Candidates, &DecodeRows)| {
            let rewards = rewards.by_ref().take(decode.rewards.len()).collect();
            DecodeReadouts { candidates, rewards }
        };
        let decodes = candidates.into_iter().zip(&plan.decodes).map(read).collect();
        let (scores, embeds) = (self.scores(plan, &states)?, embeds(plan, &states)?);
        Ok(StepReadouts { decodes, scores, embeds, reward_time })
    }
}

impl LockstepRunner {
    /// One ragged batch per set of weights. Rows of base and reward lanes are computed together: the time is split by rows and layers.
    fn forward(&self, plan: &StepPlan) -> Result<StepHidden, StepError> {
        let mut read = vec![0; plan.rows.len()];
        for decode in &plan.decodes {
            read[decode.base] = 1;
            let decisive = |row: usize| 1 + plan.rows[row].open.as_ref().map_or(0, |open| open.tokens);
            decode.rewards.iter().for_each(|(row, _)| read[*row] = decisive(*row));
        }
        plan.scores.iter().for_each(|score| read[score.row] = score.targets.len());
        plan.embeds.iter().for_each(|row| read[*row] = plan.rows[*row].tokens.len());
        let (mut hidden, mut place) = (Vec::new(), vec![0; plan.rows.len()]);
        let mut reward_time = Duration::ZERO;
        for (id, weights) in self.weights.iter().enumerate() {
            let (mut chunks, mut count, mut index) = (Vec::new(), 0, vec![None; plan.rows.len()]);
            let (mut work, mut reward_work) = (0, 0);
            for (i, rows) in plan.rows.iter().enumerate().filter(|(_, rows)| rows.weights.0 == id) {
                index[i] = Some(chunks.len());
                let (adapter, strength) = rows.adapted();
                chunks.push(LaneChunk {
                    tokens: &rows.tokens,
                    start: rows.start,
                    blocks: &rows.blocks,
                    read: read[i],
                    adapter,
                    strength,
                    // The base lane stands before the lanes that branch off from it.
                    trunk: rows.trunk.and_then(|trunk| index[trunk]),
                });
                let cost = chunks.last().map_or(0, |chunk| weights.model.row_layers(chunk));
                work += cost;
                reward_work += if rows.reward { cost } else { 0 };
                place[i] = count;
                count += read[i];
            }
            let begun = Instant::now();
            let busy = chunks.iter().any(|chunk| !chunk.tokens.is_empty());
            let states = if busy { Some(weights.model.forward(&chunks, &weights.cache)?) } else { None };
            reward_time += begun.elapsed().mul_f64(reward_work as f64 / work.max(1) as f64);
            hidden.push(states);
        }
        Ok(StepHidden { hidden, place, reward_time })
    }

    /// Every reward readout at its sequence's candidates, in the plan's order.
    fn rewards(
        &self,
        plan: &StepPlan,
        states: &StepHidden,
        candidates: &[Candidates],
    ) -> Result<Vec<Readout>, StepError> {
        let is_near = |row: usize| plan.rows[row].open.is_none();
        let of_sequence = |(decode, candidates): (&'_ DecodeRows, &'_ Candidates)| {
            let logits = Wanted::At(candidates.tokens.clone());
            let wanted = RowWanted { logits, log_sum_exp: decode.log_sum_exp };
            let read = move |(row, what): &(usize, LaneReadout)| RowRead::new(*row, *what, wanted.clone());
            decode.rewards.iter().filter(|(row, _)| is_near(*row)).map(read).collect::<Vec<_>>()
        };
        let all: Vec<RowRead> = plan.decodes.iter().zip(candidates).flat_map(of_sequence).collect();
        let mut near = self.read_rows(plan, states, &all)?.into_iter();
        let mut far = self.crossed(plan, states, candidates)?;
        let places = plan.decodes.iter().flat_map(|decode| decode.rewards.iter().enumerate());
        let all =
            places.map(
                |(place, (row, _))| {
                    if is_near(*row) { near.next().as_ref().map(readout) } else { far.remove(&(*row, place)) }
                },
            );
        all.collect::<Option<_>>().ok_or_else(|| StepError::Runner("a reward was not read".to_owned()))
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

    /// Read logits of rows of the plan, the first of each that is read. What is read of the same weights is read together, through
    /// whatever heads: the unembedding is gone through once.
    pub(crate) fn read_rows(
        &self,
        plan: &StepPlan,
        states: &StepHidden,
        reads: &[RowRead],
    ) -> Result<Vec<Logits>, StepError> {
        let mut logits: Vec<Option<Logits>> = vec![None; reads.len()];
        for id in (0..self.weights.len()).map(WeightsId) {
            let mut left: Vec<usize> = (0..reads.len()).filter(|i| plan.rows[reads[*i].row].weights == id).collect();
            let (mut order, mut hidden) = (Vec::with_capacity(left.len()), Vec::new());
            while let Some(&first) = left.first() {
                let what = reads[first].what;
                let (group, rest): (Vec<usize>, Vec<usize>) = left.iter().partition(|i| reads[**i].what == what);
                let places: Vec<usize> = group.iter().map(|i| states.place[reads[*i].row]).collect();
                hidden.push(self.through_head(states, id, what, &places)?);
                order.extend(group);
                left = rest;
            }
            if order.is_empty() {
                continue;
            }
            let wanted: Vec<RowWanted> = order.iter().map(|i| reads[*i].wanted.clone()).collect();
            let read = self.weights[id.0].model.logits(&Hidden::join(&hidden)?, &wanted)?;
            order.into_iter().zip(read).for_each(|(i, read)| logits[i] = Some(read));
        }
        Ok(logits.into_iter().flatten().collect())
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
        let hidden = self.through_head(states, weights, what, places)?;
        Ok(self.weights[weights.0].model.logits(&hidden, wanted)?)
    }

    /// What the unembedding reads of these of the rows that were read of some weights.
    fn through_head(
        &self,
        states: &StepHidden,
        weights: WeightsId,
        what: LaneReadout,
        places: &[usize],
    ) -> Result<Hidden, StepError> {
        self.read_by(weights, what, states.of(weights)?.rows(places)?)
    }

    /// What the unembedding reads of these hidden states of some weights.
    pub(crate) fn read_by(&self, weights: WeightsId, what: LaneReadout, rows: Hidden) -> Result<Hidden, StepError> {
        match what {
            LaneReadout::Plain => Ok(rows),
            LaneReadout::Head(id) => {
                let unknown = || StepError::Runner(format!("weights {} have no value head {}", weights.0, id.0));
                Ok(rows.through(self.weights[weights.0].heads.get(id.0).ok_or_else(unknown)?)?)
            }
        }
    }

    /// Tokens that all weights have, but those over a bridge.
    pub(crate) fn tokens(&self) -> usize {
        let near = self.weights.iter().filter(|w| w.bridge.is_none());
        near.map(|w| w.model.config().vocabulary).min().unwrap_or(0)
    }

    /// Sets of weights.
    pub(crate) fn sets(&self) -> usize {
        self.weights.len()
    }

    /// The bridge to the tokens of some weights.
    pub(crate) fn bridge_of(&self, weights: WeightsId) -> Option<&Arc<dyn Bridge>> {
        self.weights.get(weights.0)?.bridge.as_ref()
    }

    /// Weights over a bridge, with their cache and the first of its spare blocks.
    pub(crate) fn far_weights(&self, weights: WeightsId) -> (&Model, &KvCache, u32) {
        let loaded = &self.weights[weights.0];
        (&loaded.model, &loaded.cache, loaded.kv_blocks() as u32)
    }
}

impl StepHidden {
    /// The states of some weights that were read.
    pub(crate) fn of(&self, weights: WeightsId) -> Result<&Hidden, StepError> {
        let missing = || StepError::Runner(format!("no hidden states of weights {}", weights.0));
        self.hidden.get(weights.0).and_then(Option::as_ref).ok_or_else(missing)
    }

    /// The first state that was read of a row of the plan.
    pub(crate) fn first(&self, row: usize) -> usize {
        self.place[row]
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

/// What was read, as log-probabilities over the vocabulary.
fn logprobs(logits: &Logits, log_sum_exp: Option<f32>) -> Vec<(u32, f32)> {
    let mass = log_sum_exp.unwrap_or(f32::NAN);
    logits.ranked.iter().map(|ranked| (ranked.token, ranked.logit - mass)).collect()
}

/// What was read, for the rule.
pub(crate) fn readout(logits: &Logits) -> Readout {
    Readout { logits: logits.ranked.iter().map(|r| r.logit).collect(), log_sum_exp: logits.log_sum_exp }
}
